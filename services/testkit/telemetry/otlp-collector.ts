import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

interface Attribute {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number | string;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes?: readonly Attribute[];
  readonly events?: readonly unknown[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

/** Body of `POST /v1/traces` as http/json has it. */
interface SentTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly SentSpan[];
    }[];
  }[];
}

/** A span as it arrived over OTLP, with the resource and the scope that it came under. */
export interface CollectedSpan extends Omit<SentSpan, 'attributes'> {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
}

/** A collector of traces on real HTTP that keeps every byte it gets and decodes http/json; it may be closed and opened again. */
export class OtlpCollector {
  /** Bodies as sent, unpacked. */
  readonly bodies: Buffer[] = [];
  /** True: requests are taken and never answered. */
  isSilent = false;
  readonly #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', part => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        this.bodies.push(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
        if (this.isSilent) return;
        response.writeHead(200, { 'content-type': request.headers['content-type'] ?? '' }).end();
      });
    });
  }

  /** Listens on a free port. */
  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    await collector.open();
    return collector;
  }

  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** All spans that came as http/json. */
  spans(): readonly CollectedSpan[] {
    return this.bodies
      .filter(body => body[0] === 0x7b)
      .flatMap(body => (JSON.parse(body.toString('utf8')) as SentTraces).resourceSpans)
      .flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap(({ scope, spans }) =>
          spans.map(span => ({
            ...span,
            attributes: plain(span.attributes),
            resource: plain(resource.attributes),
            scope: scope.name,
          })),
        ),
      );
  }

  /** Listens again on the port that it had. */
  async open(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections; senders are refused from now on. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

function plain(attributes: readonly Attribute[] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ??
        (value.intValue === undefined ? undefined : Number(value.intValue)) ??
        value.doubleValue ??
        value.boolValue,
    ]),
  );
}
