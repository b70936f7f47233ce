import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { regionId } from '@featuremesh/domain/region-id';
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

/** What a test mesh consists of; the first region's gateway is the one under test. */
export interface MeshSketch {
  readonly regions: readonly (readonly [id: string, jurisdiction: string])[];
  readonly groups: readonly GroupSketch[];
  readonly policies?: readonly PolicySketch[];
  readonly gatewayRegion?: string;
  readonly production?: boolean;
}

/** An answer of the gateway. */
export interface GatewayReply {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

/** A gateway on a real port with stub regions behind it; it keeps every answer and every log line, so that tests can scan them. */
export class GatewayHarness {
  readonly stubs: ReadonlyMap<string, StubRegion>;
  readonly replies: string[] = [];
  readonly logged: string[] = [];
  #gateway: Gateway | undefined;
  #url = '';

  private constructor(stubs: ReadonlyMap<string, StubRegion>) {
    this.stubs = stubs;
  }

  /** Starts regions and gateway. */
  static async start(sketch: MeshSketch): Promise<GatewayHarness> {
    isolateFromVendor(process.env);
    const harness = new GatewayHarness(new Map(sketch.regions.map(([id]) => [id, new StubRegion(id)])));
    await harness.#start(sketch);
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
    return { status: answer.statusCode, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
  }

  /** Stops everything. */
  async stop(): Promise<void> {
    await this.#gateway?.stop();
    await Promise.all([...this.stubs.values()].map(stub => stub.stop()));
  }

  async #start(sketch: MeshSketch): Promise<void> {
    const keyOf = (region: string) => this.stubs.get(region)?.key.publicKey;
    await Promise.all([...this.stubs.values()].map(stub => stub.start(keyOf)));
    const own = this.stub(sketch.gatewayRegion ?? sketch.regions[0]?.[0] ?? '');
    const state = stateOf(own.id, {
      regions: sketch.regions.map(([id, jurisdiction]) =>
        regionOf(id, jurisdiction, this.stub(id).url, this.stub(id).key.publicKey),
      ),
      groups: sketch.groups.map(groupOf),
      policies: (sketch.policies ?? []).map(policyOf),
    });
    const region = regionId(own.id);
    const signer = new RegionTokenSigner({
      privateKeyPem: own.key.privateKeyPem,
      region,
      clock: systemClock,
    });
    let isFirst = true;
    this.#gateway = await Gateway.create({
      region,
      ownServiceUrl: own.url,
      meshStates: async (_, signal): Promise<MeshState | undefined> => {
        if (isFirst) {
          isFirst = false;
          return state;
        }
        await systemTimer.sleep(60_000, signal);
        return undefined;
      },
      savedState: new SavedStateFile(join(mkdtempSync(join(tmpdir(), 'fm-gateway-')), 'state.json')),
      sign: askSigner(signer, systemClock),
      production: sketch.production ?? false,
      clock: systemClock,
      timer: systemTimer,
      metrics: new PrometheusMetrics({ region }, { processMetrics: false }),
      log: createLogger({ region }, { level: 'debug', stream: { write: line => this.logged.push(line) } }),
    });
    const port = await this.#gateway.listen({ host: '127.0.0.1', port: 0 });
    this.#url = `http://127.0.0.1:${port}`;
    while ((await request(`${this.#url}/health/ready`)).statusCode !== 200) await systemTimer.sleep(5);
  }
}
