/** How a request ended, as metrics count it: the label `outcome`. */
export type RequestOutcome = 'complete' | 'partial' | 'refused' | 'failed';

/** The outcome that an HTTP status tells. 429 and what else the caller can do something about counts as refused. */
export function outcomeOfStatus(status: number): RequestOutcome {
  if (status === 207) return 'partial';
  if (status < 400) return 'complete';
  return status < 500 ? 'refused' : 'failed';
}
