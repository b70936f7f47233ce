import { OWN_READ_PATH } from '@featuremesh/contracts/internal-api';
import type { OnlineReadRequest } from '@featuremesh/domain/online-answer';
import { mayRead } from '@featuremesh/domain/placement';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { RegionTable } from '../routing/region-table.ts';
import { withTrace } from '../telemetry/traced-regions.ts';
import type { ReadContext } from './matrix-reader.ts';

/** A client's read: parsed, to see where it may go, and as JSON text, to go there. */
export interface OwnRead {
  readonly request: OnlineReadRequest;
  readonly json: () => string;
}

/** The answer's JSON; or that the own region answers less than all of it, or not at all, and the read is to be planned. */
export type OwnAnswer =
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  | { readonly kind: 'declined' }
  | { readonly kind: 'failed' };

const DECLINED: OwnAnswer = { kind: 'declined' };

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

  /** Never throws for a region's sake. */
  async read({ request, json }: OwnRead, context: ReadContext): Promise<OwnAnswer> {
    const { regions, clock, metrics, tracing } = this.#options;
    const token = this.#options.token();
    if (token === undefined) return DECLINED;
    const held = holdingOf(request, context);
    if (held === 'elsewhere') return DECLINED;
    const endpoint = regions.endpoint(context.gatewayRegion);
    const startedMs = clock.monotonicMs();
    const remainingMs = Math.floor(context.deadlineAtMs - startedMs);
    // A read that has another copy keeps half of what is left for it.
    const timeoutMs = held === 'copied' ? Math.ceil(remainingMs / 2) : remainingMs;
    if (endpoint === undefined || timeoutMs <= 0) return DECLINED;
    const answer = await this.#inSpan(context, () =>
      endpoint.relay({
        path: OWN_READ_PATH,
        headers: withTrace({ authorization: `Bearer ${token}` }, tracing),
        body: bodyOf(json(), context, timeoutMs),
        timeoutMs,
      }),
    );
    if (!answer.ok) return { kind: 'failed' };
    if (answer.value === undefined) return DECLINED;
    const seconds = (clock.monotonicMs() - startedMs) / 1_000;
    metrics.observe('featuremesh_gateway_region_seconds', { asked: context.gatewayRegion }, seconds);
    metrics.observe('featuremesh_gateway_fanout_regions', {}, 1);
    return { kind: 'whole', bytes: answer.value };
  }

  #inSpan<T>({ gatewayRegion }: ReadContext, work: () => Promise<T>): Promise<T> {
    const { tracing } = this.#options;
    return tracing === undefined
      ? work()
      : tracing.inside('gateway.ask', { 'featuremesh.region': gatewayRegion }, work);
  }
}

/**
 * Where everything is that a read names: with the own region alone, there and in copies, or (partly) elsewhere; also elsewhere where its
 * caller is not among the readers, and where something is to be waited for, so that the plan decides.
 */
function holdingOf(
  request: OnlineReadRequest,
  { view, gatewayRegion, caller, nowMs }: ReadContext,
): 'alone' | 'copied' | 'elsewhere' {
  const selections = view.selections.of(request);
  if (!selections.ok) return 'elsewhere';
  const { purpose, consistency, maxLagMs } = request;
  if (typeof consistency === 'object' || maxLagMs !== undefined) return 'elsewhere';
  const reader = purpose === undefined ? caller : { ...caller, purpose };
  let holding: 'alone' | 'copied' = 'alone';
  for (const { group } of selections.value) {
    const placement = view.placements.of(group, nowMs);
    const holders = placement.placement;
    const isHeld = holders.includes(gatewayRegion) && (placement.replicated || holders.length === 1);
    if (!isHeld || !mayRead(placement, reader, gatewayRegion, view.state)) return 'elsewhere';
    if (holders.length > 1) holding = 'copied';
  }
  return holding;
}

/** The read's text stands in it as it came: it was parsed once, so it is one JSON value. */
function bodyOf(json: string, { caller, nowMs }: ReadContext, timeoutMs: number): string {
  const said = JSON.stringify({ jurisdictions: caller.jurisdictions, purposes: caller.purposes });
  return `{"caller":${said},"deadlineMs":${nowMs + timeoutMs},"request":${json}}`;
}
