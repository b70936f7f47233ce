import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { permittedAttributes, SPAN_ATTRIBUTES } from './span-catalogue.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';
import { tracingPlan } from './tracing-environment.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent', () => {
  it('is read as the recommendation says; what it calls invalid counts as none', () => {
    const valid = { traceId: TRACE, spanId: SPAN };
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ ...valid, sampled: true });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...valid, sampled: false });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-03`)).toEqual({ ...valid, sampled: true });
    expect(parseTraceparent(`01-${TRACE}-${SPAN}-01-more`)).toEqual({ ...valid, sampled: true });
    for (const invalid of [
      undefined,
      ['00', TRACE],
      '',
      'canary',
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-01-more`,
      `00-${TRACE}-${SPAN}`,
      `ff-${TRACE}-${SPAN}-01`,
      `00-${'0'.repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE}-${SPAN}-01\n`,
      `01-${TRACE}-${SPAN}-01-${'x'.repeat(300)}`,
    ])
      expect(parseTraceparent(invalid), String(invalid)).toBeUndefined();
  });

  it('comes back as it was written', () => {
    const hex = (length: number) =>
      fc
        .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
        .filter(text => !/^0+$/.test(text));
    const contexts = fc.record({ traceId: hex(32), spanId: hex(16), sampled: fc.boolean() });
    fc.assert(
      fc.property(contexts, context => {
        expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
      }),
    );
  });
});

describe('environment', () => {
  const destinations = (environment: Record<string, string>) => tracingPlan(environment).destinations;
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

  it('is off unless an exporter or an endpoint is named, and off where it is switched off', () => {
    expect(tracingPlan({})).toEqual({ destinations: [], notes: [] });
    expect(destinations({ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' })).toEqual([]);
    expect(destinations({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' })).toEqual([]);
    expect(destinations({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toEqual([]);
    expect(destinations({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' })).toEqual([]);
  });

  it('sends where it is told, by the protocol it is told', () => {
    expect(destinations(endpoint)).toEqual(['otlp-protobuf']);
    expect(destinations({ OTEL_TRACES_EXPORTER: 'otlp' })).toEqual(['otlp-protobuf']);
    expect(destinations({ OTEL_TRACES_EXPORTER: 'console, otlp' })).toEqual(['console', 'otlp-protobuf']);
    expect(destinations({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })).toEqual(['otlp-json']);
    const own = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' };
    expect(destinations({ ...endpoint, ...own })).toEqual(['otlp-grpc']);
  });

  it('says what it does not do', () => {
    const { destinations: none, notes } = tracingPlan({
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_LOGS_EXPORTER: 'console',
    });
    expect(none).toEqual([]);
    expect(notes.join('\n')).toMatch(
      /METRICS_EXPORTER is not used.*\n.*LOGS_EXPORTER is not used.*\n.*"zipkin"/,
    );
    expect(tracingPlan({ OTEL_METRICS_EXPORTER: 'none' }).notes).toEqual([]);
    expect(tracingPlan({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier/pigeon' }).notes).toHaveLength(1);
  });

  it('loads nothing of the SDK where tracing is off, and all of it where it is on', async () => {
    const program = `
      import { registerHooks } from 'node:module';
      const asked = [];
      registerHooks({ resolve: (name, context, next) => { asked.push(name); return next(name, context); } });
      const { startTracing } = await import(${JSON.stringify(new URL('./tracing.ts', import.meta.url).href)});
      const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
      const tracing = await startTracing({ environment: process.env, process: 'sync', region: 'r', regions: [], metrics: {}, logger: silent, timer: {} });
      console.log(JSON.stringify({ on: tracing !== undefined, sdk: asked.filter(name => name.includes('opentelemetry')).length > 0 }));
    `;
    const run = async (environment: Record<string, string>): Promise<unknown> => {
      const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment });
      return JSON.parse(stdout);
    };
    expect(await run({})).toEqual({ on: false, sdk: false });
    expect(await run(endpoint)).toEqual({ on: true, sdk: true });
    // An address that is none costs the traces, not the process.
    const wrong = { OTEL_EXPORTER_OTLP_ENDPOINT: 'not an address', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(await run(wrong)).toEqual({ on: false, sdk: true });
  });
});

describe('attributes', () => {
  const regions = new Set(['us-east-1', 'eu-west-1']);
  const names = Object.keys(SPAN_ATTRIBUTES);

  it('keep what the list permits', () => {
    const permitted = {
      'http.request.method': 'POST',
      'http.route': '/v1/groups/:group/rows',
      'http.response.status_code': 207,
      'featuremesh.group': 'abcdefgh234567ab',
      'featuremesh.peer': 'eu-west-1',
      'featuremesh.rows': 0,
      'error.type': 'LOG_FULL',
    };
    expect(permittedAttributes(permitted, regions)).toEqual(permitted);
  });

  it('never keep text of a caller, wherever it is put', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).map(part => `k${part}`);
    const anything = fc.oneof(
      text,
      fc.anything({ maxDepth: 1 }),
      fc.double(),
      fc.constant(Number.NaN),
      fc.constant(-1),
    );
    const attributes = fc.dictionary(
      fc.oneof(fc.constantFrom(...names, '__proto__', 'toString'), text),
      anything,
      { maxKeys: 6 },
    );
    const opaque = /^[a-z2-7]{16}$/;
    fc.assert(
      fc.property(attributes, given => {
        for (const [name, value] of Object.entries(permittedAttributes(given, regions))) {
          expect(names).toContain(name);
          if (typeof value === 'number') expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
          // A text of sixteen such characters is what a group id is; nothing else of a caller's can pass.
          else expect(opaque.test(value) && name === 'featuremesh.group').toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
