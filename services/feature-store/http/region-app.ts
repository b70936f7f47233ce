import { MAX_STORE_TABLES } from '@featuremesh/domain/limits';
import type { Officer } from '@featuremesh/domain/policy';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Health } from '@featuremesh/runtime/health';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Random } from '@featuremesh/runtime/random';
import { RegionTokenVerifier } from '@featuremesh/runtime/region-token';
import { requestSpans } from '@featuremesh/runtime/request-spans';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { FastifyInstance } from 'fastify';
import { GatewayCallers } from '../graphql/gateway-caller.ts';
import { registerGraphql } from '../graphql/graphql-server.ts';
import type { RefillDesk, StoreRefill } from '../ingest/store-refill.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import type { Registry } from '../ports/registry.ts';
import { DefinitionDesk } from '../registry/definition-desk.ts';
import { Enforcement } from '../registry/enforcement.ts';
import { EntryImporter } from '../registry/entry-importer.ts';
import { LifecycleDesk } from '../registry/lifecycle-desk.ts';
import { ModeDesk } from '../registry/mode-desk.ts';
import { ModeKeeper } from '../registry/mode-keeper.ts';
import { PolicyDesk } from '../registry/policy-desk.ts';
import { RegistryWriter } from '../registry/registry-writer.ts';
import { StateWaiter } from '../registry/state-waiter.ts';
import { TableKeeper } from '../registry/table-keeper.ts';
import { RegionReader } from '../serving/region-reader.ts';
import { SliceReader } from '../serving/slice-reader.ts';
import { CurrentView } from '../serving/state-view.ts';
import { TicketReader } from '../serving/ticket-reader.ts';
import { registerAdminRoutes } from './admin-routes.ts';
import { registerCatalogueRoutes } from './catalogue-routes.ts';
import { type RouteState, registerHealthRoutes } from './health-routes.ts';
import { registerInternalRoutes } from './internal-routes.ts';
import { registerReadRoute } from './read-route.ts';
import { registerRegistryModeRoutes } from './registry-mode-routes.ts';
import { createHttpServer } from './server.ts';
import { registerStatusRoutes } from './status-routes.ts';

/** Everything that a region service decides, reads and answers with; writes and the log are registered beside it. */
export interface RegionAppOptions {
  readonly region: RegionId;
  readonly registry: Registry;
  readonly store: OnlineStore;
  readonly officers: readonly Officer[];
  readonly internalToken: string;
  /** Lag of this region's copy behind peers, in ms; null while unknown. */
  readonly lagMs: (peers: readonly RegionId[]) => number | null;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  /** Aborts when the stop begins: long polls end. */
  readonly signal: AbortSignal;
  readonly routeState: () => RouteState;
  /** Longest wait for the sync agent's report; tests without an agent shorten it. */
  readonly enforcementWaitMs?: number;
  readonly tracing?: Tracing | undefined;
  /** Tables that the store may hold; those of an embedded one where not given. */
  readonly maxTables?: number;
  /** Where a lost store is rebuilt from peers as well. */
  readonly refills?: (RefillDesk & Pick<StoreRefill, 'state'>) | undefined;
  /** Sets what is known only when it is asked for, before metrics are written out. */
  readonly gauges?: () => Promise<void>;
}

/** A region's HTTP surface before it listens, and the parts that others build on. */
export interface RegionApp {
  readonly fastify: FastifyInstance;
  readonly tables: TableKeeper;
  readonly view: CurrentView;
  readonly tickets: TicketReader;
}

/** Wires registry, serving, GraphQL and HTTP of one service process; the tables are kept from `tables.start()` on. */
export async function createRegionApp(options: RegionAppOptions): Promise<RegionApp> {
  const { registry, store, clock, timer, random, logger, metrics, health, signal, refills } = options;
  const fastify = createHttpServer({
    logger,
    metrics,
    timer,
    random,
    leaving: () => options.routeState() === 'draining',
    draining: () => signal.aborted,
  });
  if (options.tracing !== undefined) {
    const spans = requestSpans(options.tracing, 'service.request');
    fastify.addHook('onRequest', spans.onRequest);
    fastify.addHook('preHandler', spans.preHandler);
    fastify.addHook('onResponse', spans.onResponse);
  }
  const tables = new TableKeeper({ registry, store, clock, timer, logger });
  const tableFor = (groupId: string, version: number) => tables.tableFor(groupId, version);
  const modes = new ModeKeeper({ registry, region: options.region, logger });
  await modes.start();
  fastify.addHook('onClose', () => modes.stop());
  const view = new CurrentView(() => registry.state());
  const { lagMs } = options;
  const refresh = () => registry.entries();
  const tickets = new TicketReader({ view, store, tableFor, lagMs, clock, timer, refresh });
  const officers = (): readonly Officer[] => options.officers;
  const importer = new EntryImporter({ registry, officers, clock, logger });

  registerHealthRoutes(fastify, {
    health,
    metrics,
    routeState: options.routeState,
    beforeMetrics: async () => {
      metrics.gauge('featuremesh_mesh_state_revision', {}, registry.state().revision);
      metrics.gauge('featuremesh_store_tables', {}, tables.tables().length);
      await options.gauges?.();
    },
  });
  const reader = new RegionReader({ view, tickets, clock });
  registerReadRoute(fastify, { reader, metrics, clock });
  registerCatalogueRoutes(fastify, { view, clock });
  registerDesks(fastify, options, { tables, modes, view, officers });
  const common = { registry, importer, store, tableFor, clock, refills };
  registerStatusRoutes(fastify, { ...common, view, tickets });
  const waiter = new StateWaiter({ registry, timer, signal });
  const token = options.internalToken;
  await registerInternalRoutes(fastify, { ...common, token, waiter, reader, metrics });
  const server = await registerGraphql(fastify, {
    region: options.region,
    tickets,
    slices: new SliceReader({ tickets, store, tableFor, clock }),
    callers: gatewayCallers(options),
    logger,
  });
  fastify.addHook('onClose', () => server.stop());
  return { fastify, tables, view, tickets };
}

function registerDesks(
  fastify: FastifyInstance,
  { registry, clock, timer, random, enforcementWaitMs, maxTables }: RegionAppOptions,
  parts: { tables: TableKeeper; modes: ModeKeeper; view: CurrentView; officers: () => readonly Officer[] },
): void {
  const { tables, view, officers } = parts;
  const enforcement = new Enforcement({
    registry,
    clock,
    timer,
    ...(enforcementWaitMs === undefined ? {} : { waitMs: enforcementWaitMs }),
  });
  const writer = new RegistryWriter({ registry, tables, enforcement });
  registerRegistryModeRoutes(fastify, new ModeDesk({ registry, officers, keeper: parts.modes }));
  registerAdminRoutes(fastify, {
    definitions: new DefinitionDesk({ writer, clock, random, maxTables: maxTables ?? MAX_STORE_TABLES }),
    lifecycle: new LifecycleDesk(writer),
    policies: new PolicyDesk({ registry, officers, tables, enforcement, clock }),
    registry,
    view,
    clock,
  });
}

/** Gateways are known by their regions' keys as the state has them now, so that a removed region's gateway is refused at once. */
function gatewayCallers({ region, registry, clock, internalToken }: RegionAppOptions): GatewayCallers {
  const publicKeyOf = (id: string) => registry.state().regions.find(known => known.id === id)?.publicKey;
  return new GatewayCallers({
    verifier: new RegionTokenVerifier({ region, clock, publicKeyOf, internalToken }),
    clock,
  });
}
