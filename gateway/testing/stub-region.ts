import { createHash } from 'node:crypto';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import { systemClock } from '@featuremesh/runtime/clock';
import { type RegionTokenClaims, RegionTokenVerifier } from '@featuremesh/runtime/region-token';
import { generateSigningKey } from '@featuremesh/runtime/signing';
import { systemTimer } from '@featuremesh/runtime/timer';
import Fastify, { type FastifyInstance } from 'fastify';

/** A reference as it arrives at a region. */
export interface SeenReference {
  readonly __typename: string;
  readonly region: string;
  readonly read?: ReadTicket;
  readonly group?: string;
}

/** One request that a region got. */
export interface SeenRequest {
  readonly body: string;
  readonly query: string;
  readonly references: readonly SeenReference[];
  readonly claims: RegionTokenClaims;
}

/** How a stub behaves: as documented, or wrong in one way. */
export type StubBehaviour =
  | { readonly kind: 'right' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'body'; readonly text: string }
  | { readonly kind: 'stamp'; readonly region: string }
  | { readonly kind: 'source'; readonly region: string }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
  | { readonly kind: 'problem'; readonly code: string; readonly detail: string };

/**
 * A region as the gateway sees it: a double of a remote party that checks every request (token, audience, ticket hash, region) and
 * answers by the region contract with values that name the region, the feature and the key. What it did not expect is in `faults`.
 */
export class StubRegion {
  readonly id: RegionId;
  readonly key = generateSigningKey();
  readonly requests: SeenRequest[] = [];
  readonly faults: string[] = [];
  behaviour: StubBehaviour = { kind: 'right' };
  /** How long it takes to answer a health probe. */
  probeDelayMs = 0;
  #fastify: FastifyInstance | undefined;
  #verifier: RegionTokenVerifier | undefined;
  #port = 0;

  constructor(id: string) {
    this.id = regionId(id);
  }

  /** Where it listens, or listened last. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Port it listens on. */
  get port(): number {
    return this.#port;
  }

  /** Listens; again on the same port after `stop`. `publicKeyOf` gives the keys of gateways. */
  async start(publicKeyOf: (region: string) => string | undefined): Promise<void> {
    this.#verifier = new RegionTokenVerifier({ region: this.id, clock: systemClock, publicKeyOf });
    const fastify = Fastify({ logger: false, bodyLimit: 16 * 1024 * 1024, forceCloseConnections: true });
    fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (_, body, done) =>
      done(null, body),
    );
    fastify.get('/health/live', async () => {
      await systemTimer.sleep(this.probeDelayMs);
      return { live: true };
    });
    fastify.post('/graphql', async (request, reply) => {
      const answer = await this.#answer(String(request.body), request.headers.authorization);
      return reply.code(answer.status).type('application/json').send(answer.text);
    });
    await fastify.listen({ host: '127.0.0.1', port: this.#port });
    const address = fastify.server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
    this.#fastify = fastify;
  }

  /** Stops listening and closes every connection. */
  async stop(): Promise<void> {
    await this.#fastify?.close();
    this.#fastify = undefined;
  }

  async #answer(body: string, authorization: string | undefined): Promise<{ status: number; text: string }> {
    const parsed = JSON.parse(body) as { query: string; variables: { representations: SeenReference[] } };
    const { representations } = parsed.variables;
    const claims = await this.#verifier?.verify((authorization ?? '').replace('Bearer ', ''));
    if (claims?.ok !== true) {
      this.faults.push('the token does not verify');
      return { status: 401, text: '{}' };
    }
    const hash = createHash('sha256').update(JSON.stringify(representations)).digest('hex');
    if (claims.value.ticketHash !== hash) this.faults.push('the ticket hash is of other tickets');
    if (representations.some(reference => reference.region !== this.id))
      this.faults.push('a reference of another region');
    const texts = representations.map(reference => JSON.stringify(reference));
    if (new Set(texts).size !== texts.length) this.faults.push('a reference twice in one request');
    this.requests.push({ body, query: parsed.query, references: representations, claims: claims.value });
    const { behaviour } = this;
    if (behaviour.kind === 'slow') await systemTimer.sleep(behaviour.ms);
    if (behaviour.kind === 'status')
      return { status: behaviour.status, text: '{"error":"at http://10.1.2.3:9999/"}' };
    if (behaviour.kind === 'body') return { status: 200, text: behaviour.text };
    if (behaviour.kind === 'error') {
      const errors = representations.map((_, index) => ({
        message: behaviour.message,
        path: ['_entities', index],
        extensions: { code: behaviour.code, stacktrace: ['at /srv/region/main.ts:1:1'] },
      }));
      const data = { _entities: representations.map(() => null) };
      return { status: 200, text: JSON.stringify({ data, errors, extensions: { region: this.id } }) };
    }
    const stamp = behaviour.kind === 'stamp' ? behaviour.region : this.id;
    const data = { _entities: representations.map(reference => this.#entity(reference)) };
    return { status: 200, text: JSON.stringify({ data, extensions: { region: stamp } }) };
  }

  #entity(reference: SeenReference): unknown {
    const { behaviour } = this;
    const { read } = reference;
    if (read === undefined)
      return {
        __typename: 'FeatureSlice',
        rows: 12,
        lagMs: 0,
        freshness: { ageMs: 5, newestEventTime: null },
      };
    if (behaviour.kind === 'problem') {
      const reason = { code: behaviour.code, region: this.id, retryable: true, detail: behaviour.detail };
      return {
        __typename: 'FeatureMatrix',
        columns: null,
        statuses: [],
        eventTimes: null,
        source: null,
        problem: reason,
      };
    }
    const joinKeys = Object.keys(read.keys).toSorted();
    const count = read.keys[joinKeys[0] ?? '']?.length ?? 0;
    const rows = Array.from({ length: count }, (_, row) =>
      joinKeys.map(name => read.keys[name]?.[row]).join('+'),
    );
    const source = behaviour.kind === 'source' ? behaviour.region : this.id;
    return {
      __typename: 'FeatureMatrix',
      columns: read.f.map(name => rows.map(row => `${this.id} ${name} ${row}`)),
      statuses: read.f.map(() => 'PRESENT'),
      eventTimes: rows.map(() => '2026-01-01T00:00:00Z'),
      source: { region: source, replica: false, lagMs: 0, policyEpoch: 'e' },
      problem: null,
    };
  }
}
