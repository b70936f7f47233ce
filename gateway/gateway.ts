import { ApolloGateway } from '@apollo/gateway';
import type { ApolloServer } from '@apollo/server';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import type { PlannedRead } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import { Health } from '@featuremesh/runtime/health';
import type { Logger } from '@featuremesh/runtime/logger';
import { malformedRequestAnswer } from '@featuremesh/runtime/malformed-request';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { requestSpans } from '@featuremesh/runtime/request-spans';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import type { Tracing } from '@featuremesh/runtime/tracing';
import { forgetBody } from '@featuremesh/runtime/unread-body';
import Fastify, { type FastifyInstance } from 'fastify';
import { MeshReplica, type MeshStateSource } from './catalogue/mesh-replica.ts';
import type { SavedStateFile } from './catalogue/saved-state.ts';
import { DiscoveryRoot } from './execution/discovery-root.ts';
import { DiscoverySource } from './execution/discovery-source.ts';
import { formattedProblem, graphqlProblem } from './execution/graphql-problem.ts';
import { MatrixReader } from './execution/matrix-reader.ts';
import { withOnlineShortcut } from './execution/online-shortcut.ts';
import { OwnReader } from './execution/own-reader.ts';
import { RegionAsker, type SignAsk } from './execution/region-asker.ts';
import { RegionSource } from './execution/region-source.ts';
import { RequestContext, type ServerContext } from './execution/request-context.ts';
import { SliceReader } from './execution/slice-reader.ts';
import { registerGraphql, vendorLogger } from './http/graphql-route.ts';
import { type RouteHealth, registerHealth } from './http/health-routes.ts';
import { registerOnlineRead } from './http/online-read-route.ts';
import { foreseen, sendProblem } from './http/problem-reply.ts';
import {
  MAX_EVALUATED_PLANS,
  MAX_PLANNER_PATHS,
  MAX_REQUEST_BODY_BYTES,
  PROBE_INTERVAL_MS,
  QUERY_PLAN_STORE_MIB,
  READ_DEADLINE_MS,
} from './limits.ts';
import { RegionTable } from './routing/region-table.ts';
import { DISCOVERY } from './supergraph/subgraph-names.ts';
import { readSupergraph } from './supergraph/supergraph-file.ts';
import { countFanOut, setGatewayGauges } from './telemetry/gateway-gauges.ts';
import { tracedAsker, tracedSign } from './telemetry/traced-regions.ts';

/** What a gateway is built from. */
export interface GatewayOptions {
  readonly region: RegionId;
  /** Origins of the own region's service processes. */
  readonly ownServiceUrls: readonly string[];
  /** Where peers' services are reached instead of at the public address that they tell, by region. */
  readonly peerServiceUrls?: ReadonlyMap<string, string>;
  readonly meshStates: MeshStateSource;
  readonly savedState: SavedStateFile;
  readonly sign: SignAsk;
  /** The own region's internal token; undefined while there is none. */
  readonly ownToken: () => string | undefined;
  readonly production: boolean;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
  readonly log: Logger;
}

/**
 * One gateway: its replica of the mesh, its ways to regions, and its HTTP server. Build it with `Gateway.create`, then `listen`.
 * It answers from the saved state while its own region service is away, and keeps no rows.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #replica: MeshReplica;
  readonly #regions: RegionTable;
  readonly #health = new Health(['mesh-state']);
  readonly #fastify: FastifyInstance;
  #apollo: ApolloServer<ServerContext> | undefined;
  #probing: Repetition | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: GatewayOptions) {
    const { region, clock, timer, log } = options;
    this.#options = options;
    this.#regions = new RegionTable({
      region,
      ownServiceUrls: options.ownServiceUrls,
      peerServiceUrls: options.peerServiceUrls ?? new Map(),
      clock,
      timer,
    });
    this.#replica = new MeshReplica({
      region,
      source: options.meshStates,
      file: options.savedState,
      clock,
      timer,
      log,
    });
    this.#fastify = Fastify({
      logger: false,
      bodyLimit: MAX_REQUEST_BODY_BYTES,
      forceCloseConnections: 'idle',
      frameworkErrors: (error, _, reply) => {
        void sendProblem(reply, foreseen(error) ?? problem('INVALID_REQUEST', 'the request is malformed'));
      },
      clientErrorHandler: (error, socket) => {
        if (socket.writable) socket.end(malformedRequestAnswer(error.code));
      },
    });
  }

  /** Builds a gateway whose routes are ready; nothing listens and nothing is contacted yet. */
  static async create(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options);
    await gateway.#prepare();
    return gateway;
  }

  /** Follows the mesh state, probes regions, and listens. Resolves with the port. */
  async listen(address: { readonly host: string; readonly port: number }): Promise<number> {
    this.#replica.onChange(state => {
      // A new region is measured at once, so that the first reads already go to the nearest copy.
      if (this.#regions.follow(state)) void this.#regions.probe();
      this.#health.ready('mesh-state');
      this.#options.metrics.gauge('featuremesh_mesh_state_revision', {}, state.revision);
    });
    this.#replica.start();
    this.#probing = this.#options.timer.every(PROBE_INTERVAL_MS, () => this.#regions.probe());
    await this.#fastify.listen(address);
    const bound = this.#fastify.server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : address.port;
  }

  /** Says that it is draining, finishes the requests under way, and closes everything it opened. Later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#probing?.stop();
    await this.#fastify.close();
    await this.#apollo?.stop();
    await this.#replica.stop();
    await this.#regions.close();
  }

  async #prepare(): Promise<void> {
    const { region, production, clock, metrics, tracing, log } = this.#options;
    const regions = this.#regions;
    const sign = tracing === undefined ? this.#options.sign : tracedSign(this.#options.sign, tracing);
    const bareAsker = new RegionAsker({ regions, sign, clock, metrics, log });
    const asker = tracing === undefined ? bareAsker : tracedAsker(bareAsker, tracing);
    const onReads = (reads: readonly PlannedRead[]): void => countFanOut(metrics, reads);
    const matrices = new MatrixReader({ regions: asker, clock, log, onReads });
    const own = new OwnReader({ regions, token: this.#options.ownToken, clock, metrics, tracing });
    const slices = new SliceReader({ regions: asker, clock });
    const root = new DiscoveryRoot({ regions, ownAgeMs: () => this.#replica.ageMs() });
    const discovery = new DiscoverySource(root);
    const fill = new RegionSource({ matrices, slices, log });
    const gateway = new ApolloGateway({
      supergraphSdl: readSupergraph(),
      buildService: ({ name }) => (name === DISCOVERY ? discovery : fill),
      experimental_approximateQueryPlanStoreMiB: QUERY_PLAN_STORE_MIB,
      __exposeQueryPlanExperimental: false,
      queryPlannerConfig: {
        debug: { maxEvaluatedPlans: MAX_EVALUATED_PLANS, pathsLimit: MAX_PLANNER_PATHS },
      },
      logger: vendorLogger(log),
    });
    const newContext = () => this.#newContext();
    this.#secure();
    if (tracing !== undefined) this.#trace(tracing);
    registerHealth(this.#fastify, {
      health: this.#health,
      route: () => this.#route(),
      metrics,
      gauges: () => setGatewayGauges(metrics, regions, this.#replica.ageMs()),
    });
    await this.#fastify.register(async scope => {
      registerOnlineRead(scope, { newContext, regions, matrices, own, metrics });
    });
    this.#apollo = await registerGraphql(this.#fastify, {
      region,
      gateway: withOnlineShortcut(gateway, { regions, matrices, own, schema: discovery.schema }),
      newContext: () => this.#graphqlContext(),
      production,
      clock,
      metrics,
      log,
    });
  }

  #trace(tracing: Tracing): void {
    const spans = requestSpans(tracing, 'gateway.request');
    this.#fastify.addHook('onRequest', spans.onRequest);
    this.#fastify.addHook('preHandler', spans.preHandler);
    this.#fastify.addHook('onResponse', spans.onResponse);
  }

  /** Errors in the product's shapes, in place of Fastify's; only JSON is taken. */
  #secure(): void {
    const fastify = this.#fastify;
    const { log, timer } = this.#options;
    const send = (route: string | undefined, reply: Parameters<typeof sendProblem>[0], reason: Problem) => {
      if (route !== '/graphql') return sendProblem(reply, reason);
      const { code } = reason;
      const status = code === 'BODY_TOO_LARGE' ? 413 : code === 'UNSUPPORTED_MEDIA_TYPE' ? 415 : 400;
      return reply
        .code(code === 'INTERNAL' ? 500 : status)
        .type('application/json; charset=utf-8')
        .send({ errors: [formattedProblem(reason, [])] });
    };
    fastify.removeContentTypeParser('text/plain');
    // A connection whose last answer is sent while stopping would otherwise stay open for its keep-alive time.
    fastify.addHook('onSend', (_, reply, payload, done) => {
      if (this.#stopping !== undefined) reply.header('connection', 'close');
      done(null, payload);
    });
    fastify.setNotFoundHandler((_, reply) =>
      sendProblem(reply, problem('NOT_FOUND', 'There is nothing at this address')),
    );
    fastify.setErrorHandler(async (error, request, reply) => {
      const reason = foreseen(error);
      if (reason?.code === 'BODY_TOO_LARGE') await forgetBody(request.raw, timer);
      if (reason === undefined) log.error({ err: error }, 'a request failed unexpectedly');
      return send(request.routeOptions.url, reply, reason ?? problem('INTERNAL', 'the request failed'));
    });
  }

  #newContext(): RequestContext {
    const view = this.#replica.view();
    if (view === undefined)
      throw new ProblemError(
        problem('REGION_UNAVAILABLE', 'the gateway does not know the mesh yet', {
          extra: { region: this.#options.region },
        }),
      );
    const { region, clock } = this.#options;
    return new RequestContext({
      view,
      gatewayRegion: region,
      // Without authentication, on loopback only, a caller holds every jurisdiction and purpose (interfaces).
      caller: { jurisdictions: 'all', purposes: 'all' },
      nowMs: clock.nowMs(),
      deadlineAtMs: clock.monotonicMs() + READ_DEADLINE_MS,
    });
  }

  #graphqlContext(): RequestContext {
    try {
      return this.#newContext();
    } catch (error) {
      throw error instanceof ProblemError ? graphqlProblem(error.problem) : error;
    }
  }

  #route(): RouteHealth {
    if (this.#stopping !== undefined) return { state: 'draining', weight: 0 };
    const others = this.#regions.endpoints().filter(({ region }) => region !== this.#options.region);
    const isolated = others.length > 0 && others.every(endpoint => endpoint.health() === 'down');
    if (isolated) return { state: 'isolated', weight: 50 };
    // With its own region service away it answers from other regions only.
    return { state: 'active', weight: this.#replica.isFollowing() ? 100 : 50 };
  }
}
