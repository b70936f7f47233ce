import autocannon from 'autocannon';
import { type OpenLoopResult, sendAtRate } from './open-loop.ts';

/** A request of a measurement. */
export interface LoadRequest {
  readonly path: string;
  readonly body: string;
  readonly contentType: string;
}

/** How requests are sent: by connections that wait for each answer, or at a rate whatever the answers do. */
export type LoadShape =
  | { readonly kind: 'closed'; readonly connections: number }
  | { readonly kind: 'open'; readonly requestsPerS: number };

const TIMEOUT_S = 10;

/** Sends requests in turn for some seconds. Latencies are of answers; `failed` counts what was no 2xx and is in no throughput. */
export function loadHttp(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: { readonly shape: LoadShape; readonly seconds: number },
): Promise<Record<string, number>> {
  const { shape, seconds } = options;
  return shape.kind === 'closed'
    ? closedLoop(baseUrl, requests, { connections: shape.connections, seconds })
    : openLoop(baseUrl, requests, { requestsPerS: shape.requestsPerS, seconds });
}

async function closedLoop(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: { readonly connections: number; readonly seconds: number },
): Promise<Record<string, number>> {
  const result = await autocannon({
    url: baseUrl,
    connections: options.connections,
    duration: options.seconds,
    timeout: TIMEOUT_S,
    requests: requests.map(({ path, body, contentType }) => ({
      method: 'POST' as const,
      path,
      body,
      headers: { 'content-type': contentType },
    })),
  });
  return {
    requestsPerS: rounded(result['2xx'] / result.duration),
    p50Ms: result.latency.p50,
    p90Ms: result.latency.p90,
    p99Ms: result.latency.p99,
    maxMs: result.latency.max,
    failed: result.non2xx + result.errors + result.timeouts,
  };
}

async function openLoop(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: { readonly requestsPerS: number; readonly seconds: number },
): Promise<Record<string, number>> {
  return openLoopValues(await sendAtRate(baseUrl, requests, options));
}

/** Rate and percentiles of what was sent at a constant rate. */
export function openLoopValues({ latenciesMs, failed, seconds }: OpenLoopResult): Record<string, number> {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return {
    answers: sorted.length,
    requestsPerS: rounded(sorted.length / seconds),
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p99Ms: percentile(sorted, 0.99),
    maxMs: percentile(sorted, 1),
    failed,
  };
}

/** Percentile by nearest rank of sorted values, to two digits; 0 of none. */
export function percentile(sorted: readonly number[], share: number): number {
  return rounded(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
}

/** Two digits after the point. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
