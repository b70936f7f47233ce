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
  const total = Math.round(options.requestsPerS * options.seconds);
  const running = new Set<Promise<void>>();
  const latenciesMs: number[] = [];
  let failed = 0;
  const send = async ({ path, body, contentType }: LoadRequest, dueMs: number): Promise<void> => {
    try {
      const headers = { 'content-type': contentType };
      const response = await pool.request({ method: 'POST', path, body, headers });
      await response.body.dump();
      if (response.statusCode < 300) latenciesMs.push(performance.now() - dueMs);
      else failed += 1;
    } catch {
      failed += 1;
    }
  };
  const startMs = performance.now();
  for (let sent = 0; sent < total && options.signal?.aborted !== true; ) {
    const due = Math.min(
      total,
      Math.floor(((performance.now() - startMs) / 1_000) * options.requestsPerS) + 1,
    );
    for (; sent < due; sent++) {
      const request = requests[sent % requests.length];
      if (request === undefined || running.size >= MAX_IN_FLIGHT) {
        failed += 1;
        continue;
      }
      const work = send(request, startMs + (sent * 1_000) / options.requestsPerS).finally(() =>
        running.delete(work),
      );
      running.add(work);
    }
    await systemTimer.sleep(TICK_MS);
  }
  await Promise.all(running);
  const seconds = (performance.now() - startMs) / 1_000;
  await pool.close();
  return { latenciesMs, failed, seconds };
}
