import {
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import { BoundedSpans } from './bounded-spans.ts';
import type { TracingOptions } from './tracing.ts';
import type { SpanDestination } from './tracing-environment.ts';

/** Name under which this product's spans are made; no other library's are exported. */
export const TRACER_SCOPE = 'featuremesh';

/** Spans that wait or are on their way, where `OTEL_BSP_MAX_QUEUE_SIZE` says nothing: the specification's default. */
const DEFAULT_QUEUE_SPANS = 2_048;

/** Spans of one export, where `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says nothing: the specification's default. */
const DEFAULT_BATCH_SPANS = 512;

/**
 * Starts the Node SDK for traces alone: no instrumentation, no propagator, no detector of host or process (command lines and owners
 * are nobody's business), no metrics, no logs. Resolves with what ends it.
 */
export async function startOtelSdk(
  options: TracingOptions,
  destinations: readonly SpanDestination[],
): Promise<Pick<NodeSDK, 'shutdown'>> {
  const { region, slot, process } = options;
  const spanProcessors: SpanProcessor[] = [];
  for (const destination of destinations)
    spanProcessors.push(processorOf(options, await exporterOf(destination)));
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      'service.namespace': 'featuremesh',
      'service.name': `featuremesh-${process}`,
      'service.instance.id': [region, process, slot].filter(part => part !== undefined).join('/'),
      'featuremesh.region': region,
      'featuremesh.process': process,
    }),
    resourceDetectors: [resourceAttributesEnvDetector, serviceNameEnvDetector],
    spanProcessors,
    textMapPropagator: null,
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  return sdk;
}

function processorOf(
  { environment, metrics, logger }: TracingOptions,
  exporter: SpanExporter,
): SpanProcessor {
  const asked = (name: string): number | undefined => {
    const value = Number(environment[name] ?? '');
    return Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  const maxQueueSize = asked('OTEL_BSP_MAX_QUEUE_SIZE') ?? DEFAULT_QUEUE_SPANS;
  const scheduledDelayMillis = asked('OTEL_BSP_SCHEDULE_DELAY');
  const exportTimeoutMillis = asked('OTEL_BSP_EXPORT_TIMEOUT');
  const spans = new BoundedSpans({ scope: TRACER_SCOPE, maxSpans: maxQueueSize, metrics, logger });
  const batches = new BatchSpanProcessor({
    exporter: spans.exporter(exporter),
    maxQueueSize,
    maxExportBatchSize: Math.min(
      maxQueueSize,
      asked('OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? DEFAULT_BATCH_SPANS,
    ),
    ...(scheduledDelayMillis === undefined ? {} : { scheduledDelayMillis }),
    ...(exportTimeoutMillis === undefined ? {} : { exportTimeoutMillis }),
  });
  return spans.processor(batches);
}

/** Address, headers, time limit and compression are read by the exporter itself from `OTEL_EXPORTER_OTLP_…`. */
async function exporterOf(destination: SpanDestination): Promise<SpanExporter> {
  switch (destination) {
    case 'otlp-protobuf':
      return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter();
    case 'otlp-json':
      return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter();
    case 'otlp-grpc':
      return new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter();
    case 'console':
      return new ConsoleSpanExporter();
  }
}
