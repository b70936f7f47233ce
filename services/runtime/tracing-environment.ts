/** How spans leave the process. */
export type SpanDestination = 'otlp-protobuf' | 'otlp-json' | 'otlp-grpc' | 'console';

/** What the standard environment variables ask for; `notes` are for the operator's log. */
export interface TracingPlan {
  /** Empty where tracing is off. */
  readonly destinations: readonly SpanDestination[];
  readonly notes: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `OTEL_…`. Off by default: an exporter or an endpoint has to be named, since the specification's own default would have every
 * process send to a port that nobody listens on. What is asked for and not done here is said in `notes`, never silently ignored.
 */
export function tracingPlan(environment: Environment): TracingPlan {
  const notes = [...otherSignals(environment)];
  const off = { destinations: [], notes };
  if (value(environment, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true')
    return { destinations: [], notes: [] };
  const asked = value(environment, 'OTEL_TRACES_EXPORTER');
  const hasEndpoint =
    value(environment, 'OTEL_EXPORTER_OTLP_ENDPOINT') !== undefined ||
    value(environment, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') !== undefined;
  if (asked === undefined && !hasEndpoint) return off;
  const names = new Set((asked ?? 'otlp').split(',').map(name => name.trim()));
  if (names.has('none')) return off;
  const destinations: SpanDestination[] = [];
  for (const name of names) {
    if (name === 'otlp') destinations.push(otlp(environment, notes));
    else if (name === 'console') destinations.push('console');
    else
      notes.push(`OTEL_TRACES_EXPORTER names ${JSON.stringify(name)}: only otlp, console and none are known`);
  }
  return { destinations, notes };
}

function otlp(environment: Environment, notes: string[]): SpanDestination {
  const protocol =
    value(environment, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ??
    value(environment, 'OTEL_EXPORTER_OTLP_PROTOCOL') ??
    'http/protobuf';
  switch (protocol) {
    case 'http/json':
      return 'otlp-json';
    case 'grpc':
      return 'otlp-grpc';
    case 'http/protobuf':
      return 'otlp-protobuf';
    default:
      notes.push(
        `OTEL_EXPORTER_OTLP_PROTOCOL ${JSON.stringify(protocol)} is not known: http/protobuf is used`,
      );
      return 'otlp-protobuf';
  }
}

function* otherSignals(environment: Environment): Generator<string> {
  const set = (name: string): boolean => !['none', undefined].includes(value(environment, name));
  if (set('OTEL_METRICS_EXPORTER'))
    yield 'OTEL_METRICS_EXPORTER is not used: metrics are at /metrics in the Prometheus format';
  if (set('OTEL_LOGS_EXPORTER'))
    yield 'OTEL_LOGS_EXPORTER is not used: logs go to standard error as JSON lines';
}

function value(environment: Environment, name: string): string | undefined {
  const text = environment[name]?.trim();
  return text === '' ? undefined : text;
}
