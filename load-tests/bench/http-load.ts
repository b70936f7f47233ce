import autocannon from 'autocannon';

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

/** Connections over which an open loop sends: enough that none is waited for at the rates asked for. */
const OPEN_CONNECTIONS = 32;
const TIMEOUT_S = 10;

/** Sends requests in turn for some seconds. Latencies are those of answers of any status; `failed` counts what was no 2xx. */
export async function loadHttp(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: { readonly shape: LoadShape; readonly seconds: number },
): Promise<Record<string, number>> {
  const { shape, seconds } = options;
  const result = await autocannon({
    url: baseUrl,
    connections: shape.kind === 'closed' ? shape.connections : Math.min(OPEN_CONNECTIONS, shape.requestsPerS),
    ...(shape.kind === 'open' ? { overallRate: shape.requestsPerS } : {}),
    duration: seconds,
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

/** Two digits after the point. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
