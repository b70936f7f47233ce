import { AsyncLocalStorage } from 'node:async_hooks';
import { ProblemError } from '@featuremesh/domain/problem';
import {
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { startOtelSdk, TRACER_SCOPE } from './otel-sdk.ts';
import { permittedAttributes, SPANS, type SpanAttributes, type SpanName } from './span-catalogue.ts';
import { formatTraceparent, parseTraceparent, type TraceContext } from './traceparent.ts';
import type { TraceSpan, Tracing, TracingOptions } from './tracing.ts';
import type { SpanDestination } from './tracing-environment.ts';

/** Traces that one span is linked to beside the one it continues: a batch may bundle hundreds of writes. */
const MAX_SPAN_LINKS = 16;

/** Longest wait for queued spans at the end of a process: below the lifecycle's patience, also where the collector is away. */
const STOP_WITHIN_MS = 2_000;

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/** Tracing on the OpenTelemetry SDK. Loaded only where the environment asks for it. */
export class OtelTracing implements Tracing {
  readonly #tracer: Tracer;
  readonly #regions: ReadonlySet<string>;
  readonly #current = new AsyncLocalStorage<OtelSpan | undefined>();
  readonly #shutdown: () => Promise<void>;

  private constructor(tracer: Tracer, regions: ReadonlySet<string>, shutdown: () => Promise<void>) {
    this.#tracer = tracer;
    this.#regions = regions;
    this.#shutdown = shutdown;
  }

  /** Starts the SDK; sampler, limits, queue and exporters are as the standard variables say. */
  static async start(
    options: TracingOptions,
    destinations: readonly SpanDestination[],
  ): Promise<OtelTracing> {
    const { timer, logger } = options;
    const sdk = await startOtelSdk(options, destinations);
    const shutdown = async (): Promise<void> => {
      const ended = sdk.shutdown().catch((error: unknown) => {
        logger.debug({ err: error }, 'the last spans were not taken');
      });
      await Promise.race([ended, timer.sleep(STOP_WITHIN_MS)]);
    };
    return new OtelTracing(trace.getTracer(TRACER_SCOPE), new Set(options.regions), shutdown);
  }

  begin(name: SpanName, parent: unknown, attributes: SpanAttributes): TraceSpan {
    const context = parseTraceparent(parent);
    return this.#start(name, context === undefined ? ROOT_CONTEXT : remote(context), attributes);
  }

  run<T>(span: TraceSpan | undefined, work: () => T): T {
    return this.#current.run(span instanceof OtelSpan ? span : undefined, work);
  }

  async inside<T>(name: SpanName, attributes: SpanAttributes, work: () => Promise<T>): Promise<T> {
    const span = this.#child(name, attributes);
    if (span === undefined) return work();
    try {
      const result = await this.#current.run(span, work);
      span.end();
      return result;
    } catch (error) {
      span.end(codeOf(error));
      throw error;
    }
  }

  insideSync<T>(name: SpanName, attributes: SpanAttributes, work: () => T): T {
    const span = this.#child(name, attributes);
    if (span === undefined) return work();
    try {
      const result = this.#current.run(span, work);
      span.end();
      return result;
    } catch (error) {
      span.end(codeOf(error));
      throw error;
    }
  }

  follow(
    name: SpanName,
    traces: readonly (string | undefined)[],
    attributes: SpanAttributes,
  ): TraceSpan | undefined {
    const [first, ...others] = new Map(
      traces
        .map(parseTraceparent)
        .filter(context => context?.sampled === true)
        .map(context => [context?.spanId, context]),
    ).values();
    if (first === undefined) return undefined;
    const linked = others.slice(0, MAX_SPAN_LINKS);
    const leftOut = others.length - linked.length;
    const links = linked.flatMap(context => (context === undefined ? [] : [{ context: contextOf(context) }]));
    const more = leftOut === 0 ? attributes : { ...attributes, 'featuremesh.links_left_out': leftOut };
    return this.#start(name, remote(first), more, links);
  }

  traceparent(): string | undefined {
    return this.#current.getStore()?.traceparent;
  }

  sampledTrace(): string | undefined {
    const span = this.#current.getStore();
    return span?.isSampled === true ? span.traceparent : undefined;
  }

  stop(): Promise<void> {
    return this.#shutdown();
  }

  #child(name: SpanName, attributes: SpanAttributes): OtelSpan | undefined {
    const parent = this.#current.getStore();
    if (parent === undefined || !parent.isSampled) return undefined;
    return this.#start(name, trace.setSpan(ROOT_CONTEXT, parent.span), attributes);
  }

  #start(name: SpanName, parent: Context, attributes: SpanAttributes, links: Link[] = []): OtelSpan {
    const span = this.#tracer.startSpan(
      name,
      {
        kind: KINDS[SPANS[name].kind],
        attributes: permittedAttributes(attributes, this.#regions),
        links,
      },
      parent,
    );
    return new OtelSpan(span, this.#regions);
  }
}

class OtelSpan implements TraceSpan {
  readonly span: Span;
  readonly isSampled: boolean;
  readonly traceparent: string;
  readonly #regions: ReadonlySet<string>;

  constructor(span: Span, regions: ReadonlySet<string>) {
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.span = span;
    this.isSampled = (traceFlags & TraceFlags.SAMPLED) !== 0;
    this.traceparent = formatTraceparent({ traceId, spanId, sampled: this.isSampled });
    this.#regions = regions;
  }

  set(attributes: SpanAttributes): void {
    if (this.isSampled) this.span.setAttributes(permittedAttributes(attributes, this.#regions));
  }

  end(failure?: string): void {
    if (!this.span.isRecording()) return;
    if (failure !== undefined) {
      this.set({ 'error.type': failure });
      // Without the text of the error: it may hold what the caller sent.
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.span.end();
  }
}

function codeOf(error: unknown): string {
  return error instanceof ProblemError ? error.problem.code : 'INTERNAL';
}

function contextOf({ traceId, spanId, sampled }: TraceContext): SpanContext {
  return { traceId, spanId, isRemote: true, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
}

function remote(context: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, contextOf(context));
}
