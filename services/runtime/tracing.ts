import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { SpanAttributes, SpanName } from './span-catalogue.ts';
import type { Timer } from './timer.ts';
import { tracingPlan } from './tracing-environment.ts';

/** A span under way. Its attributes are those of `span-catalogue`; there are no events and no texts of errors. */
export interface TraceSpan {
  /** W3C header by which another process, or a message, continues this trace. */
  readonly traceparent: string;
  readonly isSampled: boolean;
  set(attributes: SpanAttributes): void;
  /** Ends it, with a code of the error catalogue where it failed; later calls do nothing. */
  end(failure?: string): void;
}

/**
 * Traces of one process. Where tracing is off there is no such object: instrumentation holds `Tracing | undefined` and asks that first,
 * so that nothing is made, not even a closure. No call throws or waits because of telemetry.
 */
export interface Tracing {
  /** Begins the span of a request; `parent` is its `traceparent` header as received. Without a valid one the sampler decides here. */
  begin(name: SpanName, parent: unknown, attributes: SpanAttributes): TraceSpan;
  /** Runs `work` with this span as the current one, or with none. */
  run<T>(span: TraceSpan | undefined, work: () => T): T;
  /** Runs `work` in a child of the current span; alone where there is none or it is not sampled. A rejection marks the span and goes on. */
  inside<T>(name: SpanName, attributes: SpanAttributes, work: () => Promise<T>): Promise<T>;
  /** The same for work that is done when it returns. */
  insideSync<T>(name: SpanName, attributes: SpanAttributes, work: () => T): T;
  /** Begins a span that continues the first sampled trace of these and is linked to a bounded number of the others; undefined without one. */
  follow(
    name: SpanName,
    traces: readonly (string | undefined)[],
    attributes: SpanAttributes,
  ): TraceSpan | undefined;
  /** The current span's header, sampled or not: what a request to another process carries. */
  traceparent(): string | undefined;
  /** The same where it is sampled: what a stored message carries. */
  sampledTrace(): string | undefined;
  /** Hands over what is queued, for a bounded time, and ends. */
  stop(): Promise<void>;
}

/** What tracing needs of its process. */
export interface TracingOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `service`, `sync` or `gateway`. */
  readonly process: string;
  readonly region: string;
  /** Tells processes of one kind apart; part of `service.instance.id`. */
  readonly slot?: number;
  /** All regions that the process is configured with: the only ones that spans name. */
  readonly regions: readonly string[];
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly timer: Timer;
}

/**
 * Tracing as the environment asks for; undefined where it asks for none, and then nothing of the SDK is loaded. What keeps it from
 * starting, such as an address that is none, is logged, and the process runs without traces.
 */
export async function startTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { destinations, notes } = tracingPlan(options.environment);
  for (const note of notes) options.logger.warn({}, note);
  if (destinations.length === 0) return undefined;
  try {
    const { OtelTracing } = await import('./otel-tracing.ts');
    const tracing = await OtelTracing.start(options, destinations);
    options.logger.info({ destinations }, 'tracing is on');
    return tracing;
  } catch (error) {
    options.logger.error({ err: error }, 'tracing could not be started; the process runs without it');
    return undefined;
  }
}
