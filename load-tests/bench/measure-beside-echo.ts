import { request } from 'undici';
import { type Echo, startEcho, type Yardstick } from './echo.ts';
import { type LoadRequest, type LoadShape, loadHttp, rounded } from './http-load.ts';
import { processorUs } from './process-cpu.ts';

/**
 * Rounds of a measurement, product and bare server in turn, of which the best of each counts: others use the machine too, and what
 * they take in a moment hits one round and not all.
 */
const ROUNDS = 4;
/** Part of a measurement that is thrown away: code is compiled and caches are filled in it. */
const WARM_UP_SHARE = 0.3;
const LEAST_ROUND_S = 1;
const MAX_SHOWN_CHARS = 300;

/** Sends one request and returns the answer's text. Throws where it is no 2xx or `accepts` does not like it: nothing is measured then. */
export async function probe(
  baseUrl: string,
  { path, body, contentType }: LoadRequest,
  accepts: (answer: string) => boolean,
): Promise<string> {
  const response = await request(`${baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
  });
  const text = await response.body.text();
  if (response.statusCode < 300 && accepts(text)) return text;
  throw new Error(
    `${path} answered ${response.statusCode}, not what is measured: ${text.slice(0, MAX_SHOWN_CHARS)}`,
  );
}

/**
 * Measures requests, and in turn the same requests against the bare server that answers as much, in the same way. `seconds` are those
 * of all rounds of one side together.
 */
export async function measureBesideEcho(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: {
    readonly shape: LoadShape;
    readonly seconds: number;
    readonly answer: string;
    readonly signal?: AbortSignal;
    /** Rounds that each side is measured in; four where none is given. */
    readonly rounds?: number;
    /** Processes whose processor time a request takes. */
    readonly pids?: readonly number[];
    /** Also measures a server that does one part of the product's work; what it reached is `limit`. */
    readonly beside?: (echo: Pick<Echo, 'url'>) => Promise<Yardstick>;
  },
): Promise<{ values: Record<string, number>; echo: Record<string, number>; limitPerS?: number }> {
  const { shape, seconds, answer, signal, rounds = ROUNDS } = options;
  const warmUp = { shape, seconds: Math.max(LEAST_ROUND_S, Math.round(seconds * WARM_UP_SHARE)) };
  const round = { shape, seconds: Math.max(LEAST_ROUND_S, Math.round(seconds / rounds)) };
  const echo = await startEcho();
  const third = await options.beside?.(echo);
  try {
    await echo.answerWith(answer);
    await loadHttp(baseUrl, requests, warmUp);
    await loadHttp(echo.url, requests, warmUp);
    if (third !== undefined) await loadHttp(third.url, requests, warmUp);
    const measured: Record<string, number>[] = [];
    const beside: Record<string, number>[] = [];
    const limits: Record<string, number>[] = [];
    for (let i = 0; i < rounds && signal?.aborted !== true; i++) {
      measured.push(await timed(options.pids ?? [], () => loadHttp(baseUrl, requests, round)));
      beside.push(await timed([echo.pid], () => loadHttp(echo.url, requests, round)));
      if (third !== undefined) limits.push(await loadHttp(third.url, requests, round));
    }
    const [values, limit] = [best(measured, shape), best(beside, shape)];
    const share = (values['requestsPerS'] ?? 0) / (limit['requestsPerS'] || 1);
    // At a rate that both were given the share says nothing.
    if (shape.kind !== 'closed') return { values, echo: limit };
    const shares = { ...values, ofEcho: rounded(share) };
    if (third === undefined) return { values: shares, echo: limit };
    const limitPerS = best(limits, shape)['requestsPerS'] ?? 0;
    if (limitPerS === 0) throw new Error('the server beside the figure answers nothing');
    const ofLimit = rounded((values['requestsPerS'] ?? 0) / limitPerS);
    return { values: { ...shares, ofLimit }, echo: limit, limitPerS };
  } finally {
    await third?.close();
    await echo.close();
  }
}

/** A round with the processor time that these processes took for each answer; idle work of theirs counts too. */
async function timed(
  pids: readonly number[],
  run: () => Promise<Record<string, number>>,
): Promise<Record<string, number>> {
  if (pids.length === 0) return run();
  const [beforeUs, startedMs] = [processorUs(pids), performance.now()];
  const values = await run();
  const answers = ((values['requestsPerS'] ?? 0) * (performance.now() - startedMs)) / 1_000;
  return { ...values, cpuUsPerRequest: rounded((processorUs(pids) - beforeUs) / Math.max(1, answers)) };
}

/** The round with the highest rate, or at a given rate the lowest 99th percentile; failures are those of all rounds. */
function best(rounds: readonly Record<string, number>[], shape: LoadShape): Record<string, number> {
  const name = shape.kind === 'closed' ? 'requestsPerS' : 'p99Ms';
  const sorted = rounds.toSorted((a, b) => (a[name] ?? 0) - (b[name] ?? 0));
  const chosen = (shape.kind === 'closed' ? sorted.at(-1) : sorted[0]) ?? {};
  const failed = rounds.reduce((sum, { failed: count = 0 }) => sum + count, 0);
  return { ...chosen, failed };
}
