import {
  enforcedSchema,
  importEntriesSchema,
  meshStateQuerySchema,
  ownEntriesQuerySchema,
  policyConfirmedSchema,
  refilledSchema,
  refillsQuerySchema,
  SNAPSHOT_HEADERS,
  snapshotQuerySchema,
} from '@featuremesh/contracts/internal-api';
import { linkReportSchema } from '@featuremesh/contracts/link-status';
import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import { showsInternalToken } from '@featuremesh/runtime/internal-token';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { FastifyInstance } from 'fastify';
import type { RefillDesk } from '../ingest/store-refill.ts';
import type { OnlineStore, TableRef } from '../ports/online-store.ts';
import type { Registry } from '../ports/registry.ts';
import type { EntryImporter } from '../registry/entry-importer.ts';
import { Publisher } from '../registry/publisher.ts';
import type { StateWaiter } from '../registry/state-waiter.ts';
import type { RegionReader } from '../serving/region-reader.ts';
import { snapshotRows } from '../serving/snapshot-rows.ts';
import { parseInput } from './parse-input.ts';
import { registerOwnReadRoute } from './read-route.ts';

/** Bytes of one catalogue message: 1,000 entries of 16 KiB. */
const MAX_ENTRIES_BYTES = 16 * 1024 * 1024;

/** What the internal routes need. */
export interface InternalRouteOptions {
  readonly token: string;
  readonly registry: Registry;
  readonly waiter: StateWaiter;
  readonly importer: EntryImporter;
  readonly store: Pick<OnlineStore, 'scan' | 'appliedPositions'>;
  readonly tableFor: (groupId: string, version: number) => TableRef | undefined;
  readonly clock: Clock & MonotonicClock;
  readonly reader: RegionReader;
  readonly metrics: Metrics;
  readonly refills: RefillDesk | undefined;
}

/** The calls of ARCHITECTURE.md for the region's own sync agent and gateway; every one needs the internal token. */
export async function registerInternalRoutes(
  fastify: FastifyInstance,
  options: InternalRouteOptions,
): Promise<void> {
  const { token, registry, waiter, importer, clock } = options;
  const publisher = new Publisher({ registry, clock });
  await fastify.register(async scope => {
    scope.addHook('onRequest', async request => {
      if (!showsInternalToken(request.headers.authorization, token))
        throw new ProblemError(problem('UNAUTHENTICATED', 'the internal API needs the internal token'));
    });
    scope.get('/internal/v1/mesh-state', request => {
      const { after, waitMs } = parseInput(meshStateQuerySchema, request.query, 'the query');
      return waiter.after(after, waitMs);
    });
    scope.get('/internal/v1/own-entries', async request => {
      const { after, peer } = parseInput(ownEntriesQuerySchema, request.query, 'the query');
      if (peer !== undefined) return { entries: await publisher.entriesFor(peer, after) };
      const self = registry.state().region;
      const entries = (await registry.entries())
        .filter(entry => entry.home === self && entry.sequence > after)
        .filter(entry => entry.kind !== 'policy' || entry.policy.epoch > 0)
        .toSorted((a, b) => a.sequence - b.sequence);
      return { entries };
    });
    scope.post('/internal/v1/entries', { bodyLimit: MAX_ENTRIES_BYTES }, async (request, reply) => {
      const { peer, entries } = parseInput(importEntriesSchema, request.body);
      await importer.take(peer, entries);
      return reply.code(204).send();
    });
    scope.post('/internal/v1/policy-confirmed', async (request, reply) => {
      const { home, epoch, atMs } = parseInput(policyConfirmedSchema, request.body);
      // The peer's clock may run ahead; a confirmation never counts as younger than its arrival.
      await registry.confirmPolicy(home, epoch, Math.min(atMs, clock.nowMs()));
      return reply.code(204).send();
    });
    scope.post('/internal/v1/enforced', async (request, reply) => {
      const { revision, hash } = parseInput(enforcedSchema, request.body);
      await registry.saveReport({ enforced: { revision, hash, atMs: clock.nowMs() } });
      return reply.code(204).send();
    });
    scope.post('/internal/v1/links', async (request, reply) => {
      const { links } = parseInput(linkReportSchema, request.body);
      await registry.saveReport({ links: { links, atMs: clock.nowMs() } });
      return reply.code(204).send();
    });
    registerRefills(scope, options);
    registerSnapshot(scope, options);
    registerOwnReadRoute(scope, options);
  });
}

/** A store that is not this process's to rebuild owes nothing. */
function registerRefills(scope: FastifyInstance, { refills }: InternalRouteOptions): void {
  scope.get('/internal/v1/refills', request => {
    const { peer } = parseInput(refillsQuerySchema, request.query, 'the query');
    return { groups: refills?.owed(peer) ?? [] };
  });
  scope.post('/internal/v1/refilled', async request => {
    const report = parseInput(refilledSchema, request.body);
    return { applied: (await refills?.filled(report)) ?? true };
  });
}

function registerSnapshot(scope: FastifyInstance, options: InternalRouteOptions): void {
  scope.get('/internal/v1/snapshot', async (request, reply) => {
    const asked = parseInput(snapshotQuerySchema, request.query, 'the query');
    const state = options.registry.state();
    const { rows, next, watermarks } = await snapshotRows({ ...options, state }, asked);
    reply.header(SNAPSHOT_HEADERS.rows, String(rows.length));
    if (next !== undefined) reply.header(SNAPSHOT_HEADERS.next, next);
    if (asked.after === undefined) reply.header(SNAPSHOT_HEADERS.watermarks, JSON.stringify(watermarks));
    return reply.type('application/octet-stream').send(Buffer.from(encodeFeedChunk(rows)));
  });
}
