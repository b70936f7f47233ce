import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { RegionTokenSigner } from '@featuremesh/runtime/region-token';
import { systemTimer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import { SavedStateFile } from '../catalogue/saved-state.ts';
import { askSigner } from '../execution/ask-signer.ts';
import { Gateway } from '../gateway.ts';
import { isolateFromVendor } from '../plugins/vendor-isolation.ts';
import { type GroupSketch, groupOf, type PolicySketch, policyOf, regionOf, stateOf } from './mesh-fixture.ts';
import { StubRegion } from './stub-region.ts';

/** What a test mesh consists of; the first region's gateway is the one under test where none is named. */
export interface MeshSketch {
  readonly regions: readonly (readonly [id: string, jurisdiction: string])[];
  readonly groups: readonly GroupSketch[];
  readonly policies?: readonly PolicySketch[];
  readonly gatewayRegion?: string;
  readonly production?: boolean;
  /** Stubs of another harness to share; that one starts and stops them. */
  readonly stubs?: ReadonlyMap<string, StubRegion>;
}

/** One part of an online answer, as tests look into it. */
export interface ReplyPart {
  readonly region: string;
  readonly group: string;
  readonly rowIndex: readonly number[];
  readonly columns: readonly (readonly string[])[];
  readonly statuses: readonly string[];
}

interface ReplyPage {
  readonly totalCount: number;
  readonly nodes: readonly { readonly name: string }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
}

interface ReplyError {
  readonly extensions: { readonly code: string; readonly retryable: boolean };
}

/** Aliases of pages in the tests. */
type PageName = 'featureGroups' | 'tagged' | 'owned' | 'text' | 'home' | 'entity' | 'page';

/** What tests look into of an answer's body; they ask for the members of the answer that they expect, and none is promised. */
interface ReplyBody {
  readonly code: string;
  readonly rows: number;
  readonly results: readonly ReplyPart[];
  readonly extensions: unknown;
  readonly errors: readonly [ReplyError, ...ReplyError[]];
  readonly data: Readonly<Record<PageName, ReplyPage>> & {
    readonly none: unknown;
    readonly online: { readonly rows: number; readonly results: readonly ReplyPart[] };
    readonly regions: readonly { readonly id: string }[];
    readonly featureGroup: { readonly slices: unknown };
    readonly __schema: { readonly queryType: { readonly name: string } };
  };
}

/** An answer of the gateway. */
export interface GatewayReply {
  readonly status: number;
  readonly text: string;
  readonly json: ReplyBody;
}

/** A gateway on a real port with stub regions behind it; it keeps every answer and every log line, so that tests can scan them. */
export class GatewayHarness {
  readonly stubs: ReadonlyMap<string, StubRegion>;
  readonly replies: string[] = [];
  readonly logged: string[] = [];
  readonly #feed = new StateFeed();
  readonly #sketch: MeshSketch;
  #gateway: Gateway | undefined;
  #url = '';
  #revision = 0;

  private constructor(sketch: MeshSketch) {
    this.#sketch = sketch;
    this.stubs = sketch.stubs ?? new Map(sketch.regions.map(([id]) => [id, new StubRegion(id)]));
  }

  /** Starts regions and gateway. */
  static async start(sketch: MeshSketch): Promise<GatewayHarness> {
    isolateFromVendor(process.env);
    const harness = new GatewayHarness(sketch);
    await harness.#start();
    return harness;
  }

  /** The stub of a region. */
  stub(id: string): StubRegion {
    const stub = this.stubs.get(id);
    if (stub === undefined) throw new Error(`no stub ${id}`);
    return stub;
  }

  /** Address of the gateway. */
  get url(): string {
    return this.#url;
  }

  /** Sends a GraphQL operation over POST. */
  graphql(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<GatewayReply> {
    return this.send('/graphql', { method: 'POST', body: JSON.stringify({ query, variables }) });
  }

  /** Posts an online read. */
  read(body: unknown): Promise<GatewayReply> {
    return this.send('/v1/online/read', { method: 'POST', body: JSON.stringify(body) });
  }

  /** Any request; JSON unless headers say otherwise. */
  async send(
    path: string,
    init: {
      readonly method: 'GET' | 'POST';
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<GatewayReply> {
    const answer = await request(`${this.#url}${path}`, {
      method: init.method,
      headers: { 'content-type': 'application/json', ...init.headers },
      ...(init.body === undefined ? {} : { body: init.body }),
    });
    const text = await answer.body.text();
    this.replies.push(text);
    return { status: answer.statusCode, text, json: JSON.parse(text.startsWith('{') ? text : '{}') };
  }

  /** Replaces groups and policies of the mesh; resolves when the gateway goes by them. */
  async change(groups: readonly GroupSketch[], policies: readonly PolicySketch[]): Promise<void> {
    this.#revision += 1;
    const state = stateOf(this.#own().id, {
      regions: this.#sketch.regions.map(([id, jurisdiction]) =>
        regionOf(id, jurisdiction, this.stub(id).url, this.stub(id).key.publicKey),
      ),
      groups: groups.map(groupOf),
      policies: policies.map(policyOf),
      revision: this.#revision,
    });
    await this.#feed.push(state);
  }

  /** Stops the gateway only. */
  async stopGateway(): Promise<void> {
    await this.#gateway?.stop();
  }

  /** Stops the gateway, and the stubs where they are its own. */
  async stop(): Promise<void> {
    await this.stopGateway();
    if (this.#sketch.stubs === undefined)
      await Promise.all([...this.stubs.values()].map(stub => stub.stop()));
  }

  #own(): StubRegion {
    return this.stub(this.#sketch.gatewayRegion ?? this.#sketch.regions[0]?.[0] ?? '');
  }

  async #start(): Promise<void> {
    const { groups, policies, production, stubs } = this.#sketch;
    const keyOf = (region: string) => this.stubs.get(region)?.key.publicKey;
    if (stubs === undefined) await Promise.all([...this.stubs.values()].map(stub => stub.start(keyOf)));
    const own = this.#own();
    const region = own.id;
    const signer = new RegionTokenSigner({
      privateKeyPem: own.key.privateKeyPem,
      region,
      clock: systemClock,
    });
    this.#gateway = await Gateway.create({
      region,
      ownServiceUrls: [own.url],
      meshStates: (_, signal) => this.#feed.next(signal),
      savedState: new SavedStateFile(join(mkdtempSync(join(tmpdir(), 'fm-gateway-')), 'state.json')),
      sign: askSigner({ signer, clock: systemClock }),
      ownToken: () => undefined,
      production: production ?? false,
      clock: systemClock,
      timer: systemTimer,
      metrics: new PrometheusMetrics({ region }, { processMetrics: false }),
      log: createLogger({ region }, { level: 'debug', stream: { write: line => this.logged.push(line) } }),
    });
    const port = await this.#gateway.listen({ host: '127.0.0.1', port: 0 });
    this.#url = `http://127.0.0.1:${port}`;
    await this.change(groups, policies ?? []);
  }
}

/** States for a replica, one at a time. */
class StateFeed {
  #waiting = Promise.withResolvers<MeshState>();
  #asked = Promise.withResolvers<void>();

  /** The next state; undefined when the reader stops. */
  async next(signal: AbortSignal): Promise<MeshState | undefined> {
    this.#asked.resolve();
    const stopped = new Promise<undefined>(resolve =>
      signal.addEventListener('abort', () => resolve(undefined), { once: true }),
    );
    return Promise.race([this.#waiting.promise, stopped]);
  }

  /** Hands a state over; resolves when the reader, having taken it, asks for the next. */
  async push(state: MeshState): Promise<void> {
    await this.#asked.promise;
    this.#asked = Promise.withResolvers();
    const waiting = this.#waiting;
    this.#waiting = Promise.withResolvers();
    waiting.resolve(state);
    await this.#asked.promise;
  }
}
