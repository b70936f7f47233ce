import { systemTimer } from '@featuremesh/runtime/timer';
import { Pool } from 'undici';
import type { LoadRequest } from './http-load.ts';

/** Connections: enough that a request rarely waits for one at the rates asked for. */
const CONNECTIONS = 64;
/** Requests without an answer; further ones are not sent and count as failed, so that a server that hangs cannot fill memory. */
const MAX_IN_FLIGHT = 1_000;
const TIMEOUT_MS = 10_000;
const TICK_MS = 1;

/** What came of requests sent at a constant rate; latencies in ms count from the instant at which a request was due. */
export interface OpenLoopResult {
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  readonly seconds: number;
}

/**
 * Sends requests in turn at a constant rate, whatever the answers do. Written here because autocannon sends a rate in bursts, which
 * showed as 80 ms on a bare server at 90 requests a second.
 */
export async function sendAtRate(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: { readonly requestsPerS: number; readonly seconds: number; readonly signal?: AbortSignal },
): Promise<OpenLoopResult> {
  const pool = new Pool(baseUrl, {
    connections: CONNECTIONS,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  const result = await workAtRate(async index => {
    const request = requests[index % requests.length];
    if (request === undefined) return false;
    const { path, body, contentType } = request;
    const headers = { 'content-type': contentType };
    const response = await pool.request({ method: 'POST', path, body, headers });
    await response.body.dump();
    return response.statusCode < 300;
  }, options);
  await pool.close();
  return result;
}

/** Begins pieces of work at a constant rate; one that rejects or resolves with false has failed. */
export async function workAtRate(
  work: (index: number) => Promise<boolean>,
  options: { readonly requestsPerS: number; readonly seconds: number; readonly signal?: AbortSignal },
): Promise<OpenLoopResult> {
  const total = Math.round(options.requestsPerS * options.seconds);
  const running = new Set<Promise<void>>();
  const latenciesMs: number[] = [];
  let failed = 0;
  const begin = async (index: number, dueMs: number): Promise<void> => {
    if (await work(index).catch(() => false)) latenciesMs.push(performance.now() - dueMs);
    else failed += 1;
  };
  const startMs = performance.now();
  for (let sent = 0; sent < total && options.signal?.aborted !== true; ) {
    const due = Math.min(
      total,
      Math.floor(((performance.now() - startMs) / 1_000) * options.requestsPerS) + 1,
    );
    for (; sent < due; sent++) {
      if (running.size >= MAX_IN_FLIGHT) {
        failed += 1;
        continue;
      }
      const piece = begin(sent, startMs + (sent * 1_000) / options.requestsPerS).finally(() =>
        running.delete(piece),
      );
      running.add(piece);
    }
    await systemTimer.sleep(TICK_MS);
  }
  await Promise.all(running);
  return { latenciesMs, failed, seconds: (performance.now() - startMs) / 1_000 };
}
