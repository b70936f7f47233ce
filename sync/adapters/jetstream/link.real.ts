import { createHash } from 'node:crypto';
import { createLinkKey } from '@featuremesh/cli/region/link-key';
import { CONTROL_PROTOCOL_VERSION } from '@featuremesh/contracts/control-message';
import { decodeLinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Position } from '@featuremesh/domain/position';
import { feedOwnSubject, OUT_STREAM, outSubject } from '@featuremesh/domain/subjects';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { LinkedBrokers } from '@featuremesh/infra/nats/testing/linked-brokers';
import { brokerFiles } from '@featuremesh/runtime/broker-files';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import {
  EAST,
  linkState,
  PINNED_GROUP,
  SHARED_GROUP,
  testChunk,
  WEST,
} from '@featuremesh/testkit/links/link-world';
import { StubRegionService } from '@featuremesh/testkit/links/stub-region-service';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, expect, test } from 'vitest';
import { LinkSession } from '../../engine/link-session.ts';
import { compilePolicy } from '../../policy-compiler/compile.ts';
import { openRegionBroker, type RegionBroker } from './region-broker.ts';

const logger = createLogger(
  {},
  { level: (process.env['FEATUREMESH_TEST_LOG'] as 'debug' | undefined) ?? 'silent' },
);

interface Region {
  readonly id: typeof EAST;
  readonly service: StubRegionService;
  readonly broker: RegionBroker;
  readonly session: LinkSession;
  readonly connection: NatsConnection;
  permit(permitted: readonly string[]): Promise<void>;
  /** Further group versions become known here. */
  learn(groups: readonly CatalogueGroup[]): Promise<void>;
  append(groupId: string, body: Uint8Array, more?: { apply?: boolean; version?: number }): Promise<Position>;
  /** Positions that imports in FEED claim. */
  positions(): Promise<Position[]>;
  /** Distinct rows in FEED under the filter, `key row` in hex. */
  rows(filter: string): Promise<Set<string>>;
}

let brokers: LinkedBrokers;
const open: Region[] = [];

afterEach(async () => {
  for (const region of open.splice(0)) {
    await region.session.stop();
    await region.broker.close();
    await region.connection.close();
  }
  await brokers.stop();
});

async function startBrokers(): Promise<void> {
  brokers = await LinkedBrokers.start({
    binary: await locateNatsServer(),
    regions: [EAST, WEST],
    linkKeys: createLinkKey,
  });
}

function openBroker(id: typeof EAST): Promise<RegionBroker> {
  return openRegionBroker({
    self: id,
    peers: [id === EAST ? WEST : EAST],
    servers: brokers.url(id),
    password: user => brokers.password(id, user),
    files: brokerFiles(brokers.config(id).dataDir),
    replicas: 1,
    feedLimits: { maxBytes: 1024 ** 3, maxAgeHours: 24 },
    timer: systemTimer,
    random: systemRandom,
    logger,
  });
}

async function startRegion(id: typeof EAST, permitted: readonly string[] = ['shared']): Promise<Region> {
  const service = new StubRegionService(linkState(id, 1, permitted));
  const broker = await openBroker(id);
  let policy = compilePolicy(service.state, Date.now());
  await broker.broker.enforce(policy);
  const session = new LinkSession({
    ...linkOf(broker),
    self: id,
    feed: broker.feed,
    sink: broker.sink,
    service,
    policy: () => policy,
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    logger: logger.child({ region: id }),
  });
  session.start();
  const connection = await connect({
    servers: brokers.url(id),
    user: 'sync',
    pass: brokers.password(id, 'sync'),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const client = jetstream(connection);
  const take = async (state: MeshState): Promise<void> => {
    service.state = state;
    policy = compilePolicy(state, Date.now());
    await broker.broker.enforce(policy);
  };
  const region: Region = {
    id,
    service,
    broker,
    session,
    connection,
    permit: next => take(linkState(id, service.state.revision + 1, next)),
    learn: groups => {
      const { revision, groups: known } = service.state;
      return take({ ...service.state, revision: revision + 1, groups: [...known, ...groups] });
    },
    append: async (groupId, body, { apply = true, version = 1 } = {}) => {
      // A duplicate answers with the first sequence, so that a try whose answer was lost does no harm.
      const msgID = createHash('sha256').update(body).digest('hex');
      for (let tries = 0; ; tries++) {
        try {
          const { seq } = await client.publish(feedOwnSubject(groupId, version, 0), body, { msgID });
          const own = { origin: id, feedEpoch: broker.feed.feedEpoch, groupId, appender: 0, sequence: seq };
          if (apply) service.apply(body, version, own);
          return own;
        } catch (error) {
          if (tries === 50) throw error;
          await new Promise(resolve => setTimeout(resolve, 100));
        }
      }
    },
    positions: async () => {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      const claimed: Position[] = [];
      for (let after = 0; ; ) {
        const query = { seq: after + 1, next_by_subj: 'FEED.*.*.in.*' };
        const message = await manager.streams.getMessage('FEED', query);
        if (message === null) return claimed;
        after = message.seq;
        const cursor = JSON.parse(message.header.get('fm-link')) as {
          appenders: Record<string, number>;
          watermarks: Position[];
        };
        expect(Object.keys(cursor.appenders)).toEqual([]);
        claimed.push(...cursor.watermarks);
      }
    },
    rows: async filter => {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      const found = new Set<string>();
      for (let after = 0; ; ) {
        const query = { seq: after + 1, next_by_subj: filter };
        const message = await manager.streams.getMessage('FEED', query);
        if (message === null) return found;
        after = message.seq;
        if (message.data.length === 0) continue;
        for (const { key, row } of decodeFeedChunk(message.data))
          found.add(`${Buffer.from(key).toString('hex')} ${Buffer.from(row).toString('hex')}`);
      }
    },
  };
  open.push(region);
  return region;
}

function rowsOf(chunks: readonly Uint8Array[]): Set<string> {
  return new Set(
    chunks
      .flatMap(chunk => decodeFeedChunk(chunk))
      .map(({ key, row }) => `${Buffer.from(key).toString('hex')} ${Buffer.from(row).toString('hex')}`),
  );
}

async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  withinMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition().valueOf())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

test('rows of a permitted group arrive byte-identical in both directions, those of a pinned group do not', async () => {
  await startBrokers();
  const [east, west] = [await startRegion(EAST), await startRegion(WEST)];
  const fromEast = [testChunk(EAST, 512, 1), testChunk(EAST, 3, 2)];
  const fromWest = [testChunk(WEST, 40, 3)];
  for (const chunk of fromEast) await east.append(SHARED_GROUP.id, chunk);
  for (const chunk of fromWest) await west.append(SHARED_GROUP.id, chunk);
  await east.append(PINNED_GROUP.id, testChunk(EAST, 10, 4));
  const inWest = `FEED.*.*.in.${EAST}`;
  await until('rows in the west', async () => (await west.rows(inWest)).size === 515);
  await until('rows in the east', async () => (await east.rows(`FEED.*.*.in.${WEST}`)).size === 40);
  expect(await west.rows(inWest)).toEqual(rowsOf(fromEast));
  expect(await east.rows(`FEED.*.*.in.${WEST}`)).toEqual(rowsOf(fromWest));
  const [out, into] = east.session.status();
  expect(out).toMatchObject({ direction: 'out', connected: true, shippedRows: 515, refusedBatches: 0 });
  await until('a known lag', () => {
    const lagMs = west.session.status()[1]?.lagMs ?? null;
    return lagMs !== null && lagMs > 0 && lagMs < 5_000;
  });
  expect(into).toMatchObject({ gaps: 0, heldBatches: 0 });
});

test('nothing is lost or changed when either broker is killed while rows flow (S1, S5, S6)', async () => {
  await startBrokers();
  const [east, west] = [await startRegion(EAST), await startRegion(WEST)];
  const chunks = Array.from({ length: 120 }, (_, salt) => testChunk(EAST, 5, salt));
  const writing = (async () => {
    for (const chunk of chunks) await east.append(SHARED_GROUP.id, chunk);
  })();
  await until('the first rows', async () => (await west.rows(`FEED.*.*.in.${EAST}`)).size > 10);
  await brokers.kill(EAST);
  await brokers.resume(EAST);
  await until('rows again', () => (east.session.status()[0]?.linkSeq ?? 0) > 3);
  await brokers.kill(WEST);
  await brokers.resume(WEST);
  await writing;
  const expected = rowsOf(chunks);
  await until(
    'all rows',
    async () => (await west.rows(`FEED.*.*.in.${EAST}`).catch(() => new Set())).size === expected.size,
    60_000,
  );
  expect(await west.rows(`FEED.*.*.in.${EAST}`)).toEqual(expected);
});

test('a batch that vanished from OUT is noticed and its rows come by snapshot (S6)', async () => {
  await startBrokers();
  const east = await startRegion(EAST);
  const chunks = [1, 2, 3].map(salt => testChunk(EAST, 20, salt));
  const shippedBefore = async (rows: number): Promise<void> =>
    until('rows in OUT', () => (east.session.status()[0]?.shippedRows ?? 0) >= rows);
  for (const [at, chunk] of chunks.entries()) {
    await east.append(SHARED_GROUP.id, chunk);
    await shippedBefore((at + 1) * 20);
  }
  const links = await connect({
    servers: brokers.url(EAST),
    user: `links.${WEST}`,
    pass: brokers.password(EAST, `links.${WEST}`),
  });
  const manager = await jetstreamManager(links, { checkAPI: false });
  const oldest = { seq: 1, next_by_subj: outSubject(SHARED_GROUP.id) };
  const batch = await manager.streams.getMessage(OUT_STREAM, oldest);
  if (batch === null) throw new Error('no batch in OUT');
  expect(decodeLinkMessage(batch.data)).toMatchObject({ ok: true });
  await manager.streams.deleteMessage(OUT_STREAM, batch.seq);
  await links.close();
  const west = await startRegion(WEST);
  await until('all rows', async () => (await west.rows(`FEED.*.*.in.${EAST}`)).size === 60, 60_000);
  expect(await west.rows(`FEED.*.*.in.${EAST}`)).toEqual(rowsOf(chunks));
  expect(west.session.status()[1]?.gaps).toBeGreaterThan(0);
  expect(east.service.snapshotPages).toBeGreaterThan(0);
});

test('rows that a peer ships before this region knows of the loosening come when it does (S1)', async () => {
  await startBrokers();
  const [east, west] = [await startRegion(EAST, []), await startRegion(WEST, [])];
  const chunks = [1, 2, 3].map(salt => testChunk(EAST, 20, salt));
  for (const chunk of chunks.slice(0, 2)) await east.append(SHARED_GROUP.id, chunk);
  await east.permit(['shared']);
  await until('the rows are refused', () => (west.session.status()[1]?.refusedBatches ?? 0) > 0);
  expect(await west.rows(`FEED.*.*.in.${EAST}`)).toEqual(new Set());
  // What policy keeps away is not missing, so it does not hide how far the peer is known.
  await until('a known lag', () => west.session.status()[1]?.lagMs !== null);
  await west.permit(['shared']);
  for (const chunk of chunks.slice(2)) await east.append(SHARED_GROUP.id, chunk);
  await until('all rows', async () => (await west.rows(`FEED.*.*.in.${EAST}`)).size === 60);
  expect(await west.rows(`FEED.*.*.in.${EAST}`)).toEqual(rowsOf(chunks));
});

test('a snapshot waits for the store to hold what was already shipped, and nothing is claimed before it is here (S1, V6)', async () => {
  await startBrokers();
  const east = await startRegion(EAST);
  const chunk = testChunk(EAST, 20, 1);
  const position = await east.append(SHARED_GROUP.id, chunk, { apply: false });
  await until('rows in OUT', () => (east.session.status()[0]?.shippedRows ?? 0) === 20);
  const user = `links.${WEST}` as const;
  const links = await connect({ servers: brokers.url(EAST), user, pass: brokers.password(EAST, user) });
  const manager = await jetstreamManager(links, { checkAPI: false });
  await manager.streams.purge(OUT_STREAM, { filter: outSubject(SHARED_GROUP.id) });
  await links.close();
  const west = await startRegion(WEST);
  await until('the gap is noticed', () => (west.session.status()[1]?.gaps ?? 0) > 0);
  await until('the snapshot is asked for', () => east.service.snapshotPages > 2);
  expect(west.session.status()[1]?.lagMs).toBeNull();
  expect(await west.positions()).toEqual([]);
  east.service.apply(chunk, 1, position);
  await until('all rows', async () => (await west.rows(`FEED.*.*.in.${EAST}`)).size === 20);
  await until('the position is claimed', async () => (await west.positions()).length > 0);
  expect(await west.positions()).toContainEqual(position);
});

test('rows of a version that this region has not learnt are held, all others go on, and they come when it has (S1)', async () => {
  await startBrokers();
  const both = ['shared', 'pinned'];
  const [east, west] = [await startRegion(EAST, both), await startRegion(WEST, both)];
  const second = { ...SHARED_GROUP, version: 2, aliases: ['latest'] };
  await east.learn([second]);
  const newer = [1, 2, 3].map(salt => testChunk(EAST, 20, salt));
  const [older, other] = [testChunk(EAST, 30, 4), testChunk(EAST, 40, 5)];
  for (const chunk of newer.slice(0, 2)) await east.append(SHARED_GROUP.id, chunk, { version: 2 });
  await until('a batch is set aside', () => (west.session.status()[1]?.heldBatches ?? 0) > 0);
  await east.append(SHARED_GROUP.id, older);
  await east.append(PINNED_GROUP.id, other);
  const inWest = (group: CatalogueGroup, version: number) =>
    west.rows(`FEED.${group.id}.${version}.in.${EAST}`);
  await until('the version that is known', async () => (await inWest(SHARED_GROUP, 1)).size === 30);
  await until('the other group', async () => (await inWest(PINNED_GROUP, 1)).size === 40);
  expect(await inWest(SHARED_GROUP, 2)).toEqual(new Set());
  // What is held is missing, so nothing is said of how far this region is.
  expect(west.session.status()[1]?.lagMs).toBeNull();
  await west.learn([second]);
  for (const chunk of newer.slice(2)) await east.append(SHARED_GROUP.id, chunk, { version: 2 });
  await until('all rows', async () => (await inWest(SHARED_GROUP, 2)).size === 60);
  expect(await inWest(SHARED_GROUP, 2)).toEqual(rowsOf(newer));
  expect(await inWest(SHARED_GROUP, 1)).toEqual(rowsOf([older]));
  await until('nothing is held any more', () => west.session.status()[1]?.heldBatches === 0);
  await until('a known lag', () => west.session.status()[1]?.lagMs !== null);
});

test('a control message that got lost comes again within seconds, one that is worked on for longer does not', async () => {
  await startBrokers();
  const east = await openBroker(EAST);
  let west = await openBroker(WEST);
  try {
    await east.broker.enforce(compilePolicy(linkState(EAST, 1, ['shared']), Date.now()));
    for (const atMs of [1, 2])
      await linkOf(east).out.publishControl({
        protocolVersion: CONTROL_PROTOCOL_VERSION,
        kind: 'policy-confirmed',
        home: EAST,
        epoch: 1,
        atMs,
      });
    const next = async (waitMs: number) => {
      const received = await linkOf(west).link.nextControl(waitMs, new AbortController().signal);
      return { received, message: received?.message };
    };
    const first = await next(30_000);
    expect(first.message).toMatchObject({ atMs: 1 });
    // Whoever had it in hand is gone: the importer that comes after gets it.
    await linkOf(west).link.close();
    await west.close();
    west = await openBroker(WEST);
    const lostMs = Date.now();
    const again = await next(30_000);
    expect(again.message).toMatchObject({ atMs: 1 });
    expect(Date.now() - lostMs).toBeLessThan(8_000);
    // Twice as long as the broker waits for one that nobody works on.
    await systemTimer.sleep(4_500);
    again.received?.ack();
    const second = await next(30_000);
    expect(second.message).toMatchObject({ atMs: 2 });
    second.received?.ack();
    expect((await next(3_000)).message).toBeUndefined();
  } finally {
    for (const region of [east, west]) {
      await linkOf(region).link.close();
      await region.close();
    }
  }
}, 120_000);

function linkOf(region: RegionBroker): RegionBroker['links'][number] {
  const [link] = region.links;
  if (link === undefined) throw new Error('no link');
  return link;
}
