import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** `ExportResultCode` of the SDK's core. */
const EXPORT_SUCCESS = 0;
const EXPORT_FAILED = 1;

/** What a bounded queue of spans works with. */
export interface BoundedSpansOptions {
  /** Spans of other libraries are left out: what they record is not ours to vouch for. */
  readonly scope: string;
  /** Spans that wait or are on their way; further ones are dropped and counted. */
  readonly maxSpans: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Bounds the spans between their end and their export, and counts what was exported and what was dropped, exactly. */
export class BoundedSpans {
  readonly #options: BoundedSpansOptions;
  #pending = 0;
  #failing = false;

  constructor(options: BoundedSpansOptions) {
    this.#options = options;
  }

  /** In front of a batching processor. */
  processor(inner: SpanProcessor): SpanProcessor {
    return {
      onStart: () => undefined,
      onEnd: span => {
        if (this.#admits(span)) inner.onEnd(span);
      },
      forceFlush: () => inner.forceFlush(),
      shutdown: () => inner.shutdown(),
    };
  }

  /** Behind it. */
  exporter(inner: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        try {
          inner.export(spans, result => {
            this.#settled(spans.length, result.code === EXPORT_SUCCESS);
            done(result);
          });
        } catch (error) {
          this.#settled(spans.length, false);
          done({ code: EXPORT_FAILED, error: error instanceof Error ? error : new Error(String(error)) });
        }
      },
      shutdown: () => inner.shutdown(),
    };
  }

  #admits(span: ReadableSpan): boolean {
    const { scope, maxSpans, metrics } = this.#options;
    if (span.instrumentationScope.name !== scope) return false;
    if (this.#pending >= maxSpans) {
      metrics.count('featuremesh_spans_dropped_total', { reason: 'queue-full' });
      return false;
    }
    this.#pending += 1;
    return true;
  }

  #settled(spans: number, taken: boolean): void {
    const { metrics, logger } = this.#options;
    this.#pending -= spans;
    if (taken) metrics.count('featuremesh_spans_exported_total', {}, spans);
    else metrics.count('featuremesh_spans_dropped_total', { reason: 'export-failed' }, spans);
    if (taken === !this.#failing) return;
    this.#failing = !taken;
    if (taken) logger.info({}, 'the collector takes spans again');
    else logger.warn({ spans }, 'the collector does not take spans; they are dropped');
  }
}
