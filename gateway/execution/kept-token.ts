import { ProblemError } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';

/** How long a token that was read counts: a service that made another one is believed this much later. */
const TOKEN_KEPT_MS = 1_000;

/** The region's internal token, read at most once a second; undefined while there is none. `read` throws a ProblemError then. */
export function keptToken({ read, clock }: KeptTokenOptions): () => string | undefined {
  let kept: { readonly token: string | undefined; readonly untilMs: number } | undefined;
  return () => {
    const nowMs = clock.nowMs();
    if (kept === undefined || nowMs >= kept.untilMs || nowMs < kept.untilMs - TOKEN_KEPT_MS)
      kept = { token: tokenOf(read), untilMs: nowMs + TOKEN_KEPT_MS };
    return kept.token;
  };
}

interface KeptTokenOptions {
  readonly read: () => string;
  readonly clock: Clock;
}

function tokenOf(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProblemError) return undefined;
    throw error;
  }
}
