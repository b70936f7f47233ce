import { parseOnlineReadRequest } from '@featuremesh/contracts/http-read';
import { OWN_READ_PATH } from '@featuremesh/contracts/internal-api';
import { mayRead } from '@featuremesh/domain/placement';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { RegionTable } from '../routing/region-table.ts';
import type { ReadContext } from './matrix-reader.ts';

/** A client's read: parsed, to see where it may go, and as JSON text, to go there. */
export interface OwnRead {
  readonly asked: unknown;
  readonly json: string;
}

/** What an own reader works with. */
export interface OwnReaderOptions {
  readonly regions: Pick<RegionTable, 'endpoint'>;
  /** The own region's internal token; undefined while there is none, and then nothing is read this way. */
  readonly token: () => string | undefined;
  readonly clock: MonotonicClock;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
}

/**
 * Reads of which the own region holds every part: its service plans by the same rules from the same catalogue, so they go to it as they
 * came and its answer goes out as it came. Nothing is planned, checked and written twice; decision 0020.
 */
export class OwnReader {
  readonly #options: OwnReaderOptions;

  constructor(options: OwnReaderOptions) {
    this.#options = options;
  }

  /** The answer's JSON; undefined for every read that the own region does not answer in full, which is then planned. */
  async read({ asked, json }: OwnRead, context: ReadContext): Promise<Uint8Array | undefined> {
    const { regions, clock, metrics } = this.#options;
    const token = this.#options.token();
    if (token === undefined || !isHeldHere(asked, context)) return undefined;
    const endpoint = regions.endpoint(context.gatewayRegion);
    const startedMs = clock.monotonicMs();
    // What is left is for the plan, should this fail.
    const timeoutMs = Math.floor((context.deadlineAtMs - startedMs) / 2);
    if (endpoint === undefined || timeoutMs <= 0) return undefined;
    const answer = await this.#inSpan(context, () =>
      endpoint.relay({
        path: OWN_READ_PATH,
        headers: this.#headers(token),
        body: bodyOf(json, context, timeoutMs),
        timeoutMs,
      }),
    );
    if (answer === undefined) return undefined;
    const seconds = (clock.monotonicMs() - startedMs) / 1_000;
    metrics.observe('featuremesh_gateway_region_seconds', { asked: context.gatewayRegion }, seconds);
    metrics.observe('featuremesh_gateway_fanout_regions', {}, 1);
    return answer;
  }

  #inSpan<T>({ gatewayRegion }: ReadContext, work: () => Promise<T>): Promise<T> {
    const { tracing } = this.#options;
    return tracing === undefined
      ? work()
      : tracing.inside('gateway.ask', { 'featuremesh.region': gatewayRegion }, work);
  }

  #headers(token: string): Readonly<Record<string, string>> {
    const authorization = `Bearer ${token}`;
    const traceparent = this.#options.tracing?.traceparent();
    return traceparent === undefined ? { authorization } : { authorization, traceparent };
  }
}

/** Whether everything that a read names is held by the own region alone or as a copy, and its caller is among the readers there. */
function isHeldHere(asked: unknown, { view, gatewayRegion, caller, nowMs }: ReadContext): boolean {
  const request = parseOnlineReadRequest(asked);
  const selections = request.ok ? view.selections.of(request.value) : request;
  if (!request.ok || !selections.ok) return false;
  const { purpose } = request.value;
  const reader = purpose === undefined ? caller : { ...caller, purpose };
  return selections.value.every(({ group }) => {
    const placement = view.placements.of(group, nowMs);
    const holders = placement.placement;
    const isHeld = holders.includes(gatewayRegion) && (placement.replicated || holders.length === 1);
    return isHeld && mayRead(placement, reader, gatewayRegion, view.state);
  });
}

/** The read's text stands in it as it came: it was parsed once, so it is one JSON value. */
function bodyOf(json: string, { caller, nowMs }: ReadContext, timeoutMs: number): string {
  const said = JSON.stringify({ jurisdictions: caller.jurisdictions, purposes: caller.purposes });
  return `{"caller":${said},"deadlineMs":${nowMs + timeoutMs},"request":${json}}`;
}
