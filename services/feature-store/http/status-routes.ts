import type { RegionList, SyncStatus } from '@featuremesh/contracts/admin-regions';
import { type LinkStatus, linkStatusSchema } from '@featuremesh/contracts/link-status';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { ProblemError } from '@featuremesh/domain/problem';
import { cutOffMs } from '@featuremesh/domain/retention';
import { formatTimestamp } from '@featuremesh/domain/timestamp';
import type { Clock } from '@featuremesh/runtime/clock';
import type { FastifyInstance } from 'fastify';
import { sweptWatermark } from '../ingest/applied-names.ts';
import type { StoreRefill } from '../ingest/store-refill.ts';
import type { OnlineStore, TableRef } from '../ports/online-store.ts';
import type { Registry, TablePlacement } from '../ports/registry.ts';
import type { EntryImporter } from '../registry/entry-importer.ts';
import type { CurrentView } from '../serving/state-view.ts';
import type { TicketReader } from '../serving/ticket-reader.ts';

/** A report older than this is no longer what the links are: the agent reports every second or two. */
const REPORT_VALID_MS = 15_000;

/** What the status routes need. */
export interface StatusRouteOptions {
  readonly view: CurrentView;
  readonly registry: Pick<Registry, 'reports' | 'tablePlacements'>;
  readonly importer: EntryImporter;
  readonly store: Pick<OnlineStore, 'countRows' | 'watermark'>;
  readonly tableFor: (groupId: string, version: number) => TableRef | undefined;
  readonly tickets: Pick<TicketReader, 'readable' | 'lagMsOf'>;
  readonly clock: Clock;
  readonly refills: Pick<StoreRefill, 'state'> | undefined;
}

/** `GET /v1/admin/regions`, `/v1/admin/sync` (links, rows and lag per group) and `/v1/admin/refusals`. */
export function registerStatusRoutes(fastify: FastifyInstance, options: StatusRouteOptions): void {
  fastify.get('/v1/admin/regions', () => regionList(options));
  fastify.get('/v1/admin/sync', () => syncStatus(options));
  fastify.get('/v1/admin/refusals', () => ({
    refused: options.importer
      .refused()
      .map(({ kind, home, name, problem: { code, detail } }) => ({ kind, home, name, code, detail })),
  }));
}

function regionList(options: StatusRouteOptions): RegionList {
  const { state } = options.view.now();
  const links = linksOf(options);
  return {
    self: state.region,
    regions: state.regions.map(region => {
      const ofPeer = links.filter(({ peer }) => peer === region.id);
      const link = ofPeer.find(({ direction }) => direction === 'in') ?? ofPeer[0] ?? null;
      const health =
        region.id === state.region ? 'self' : link === null ? 'unknown' : link.connected ? 'up' : 'down';
      return { ...region, link, health };
    }),
  };
}

async function syncStatus(options: StatusRouteOptions): Promise<SyncStatus> {
  const { view, store, tableFor, tickets, clock } = options;
  const { state, placements } = view.now();
  const tables = await placedTables(options, state.groups);
  const groups = state.groups.map(async group => {
    const { placement, replicated } = placements.of(group, clock.nowMs());
    const table = tableFor(group.id, group.version);
    const readable = tickets.readable(group.id, group.version);
    return {
      group: `${group.definition.homeRegion}/${group.definition.name}`,
      id: group.id,
      version: group.version,
      placement: [...placement],
      replicated,
      rows: table === undefined ? null : await countOf(store, table),
      lagMs: table === undefined || readable === undefined ? null : tickets.lagMsOf(readable),
      purge: group.purged === true ? purgeOf(tables.get(`${group.id}/${group.version}`)) : null,
      retention: await retentionOf(options, group, table),
    };
  });
  const rebuild = await options.refills?.state();
  return {
    ...{ region: state.region, links: [...linksOf(options)], groups: await Promise.all(groups) },
    ...(rebuild === undefined ? {} : { rebuild }),
  };
}

/** By group version; nothing is asked where nothing is purged. */
async function placedTables(
  { registry }: StatusRouteOptions,
  groups: readonly CatalogueGroup[],
): Promise<ReadonlyMap<string, TablePlacement>> {
  if (!groups.some(({ purged }) => purged === true)) return new Map();
  const placed = await registry.tablePlacements();
  return new Map(placed.map(one => [`${one.groupId}/${one.version}`, one]));
}

function purgeOf(placed: TablePlacement | undefined): SyncStatus['groups'][number]['purge'] {
  if (placed === undefined) return { rows: 'none', at: null };
  const { droppedAtMs } = placed;
  return droppedAtMs === undefined
    ? { rows: 'held', at: null }
    : { rows: 'deleted', at: timestampText(droppedAtMs) };
}

const timestampText = (ms: number): string => formatTimestamp(BigInt(Math.floor(ms)) * 1_000n);

async function retentionOf(
  { store, clock }: StatusRouteOptions,
  group: CatalogueGroup,
  table: TableRef | undefined,
): Promise<SyncStatus['groups'][number]['retention']> {
  const cutOff = cutOffMs(group, clock.nowMs());
  if (cutOff === Number.NEGATIVE_INFINITY) return null;
  // A store that does not answer has not said when; the sweeper's process logs why.
  const sweptMs = table === undefined ? 0 : await store.watermark(sweptWatermark(table)).catch(() => 0);
  return { cutOff: timestampText(cutOff), sweptAt: sweptMs === 0 ? null : timestampText(sweptMs) };
}

/** Null where the store does not say: a failure is not an empty table (V5). */
async function countOf(store: StatusRouteOptions['store'], table: TableRef): Promise<number | null> {
  try {
    return await store.countRows(table);
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}

/** What the agent last reported; where it stopped reporting, links count as not connected and their lag as unknown. */
function linksOf({ registry, clock }: StatusRouteOptions): readonly LinkStatus[] {
  const report = registry.reports().links;
  if (report === undefined) return [];
  const stale = clock.nowMs() - report.atMs > REPORT_VALID_MS;
  return report.links.flatMap(link => {
    const parsed = linkStatusSchema.safeParse(link);
    if (!parsed.success) return [];
    return [stale ? { ...parsed.data, connected: false, lagMs: null } : parsed.data];
  });
}
