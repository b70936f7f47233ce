import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { encodeLinkRows } from '@featuremesh/contracts/link-batch-codec';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { ROW_HEADER_BYTES, writeRowConstants } from '@featuremesh/domain/packed-row';
import { regionId } from '@featuremesh/domain/region-id';
import {
  CURSOR_STREAM,
  cursorSubject,
  FEED_STREAM,
  feedOwnSubject,
  HELD_STREAM,
  heldSubject,
  OUT_LINK_SUBJECT,
  OUT_STREAM,
} from '@featuremesh/domain/subjects';
import { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { lastStorePlanOf } from '@featuremesh/infra/local-mesh/store-plan';
import { type PlantedRow, plantRow } from '../adapters/cassandra/plant-row.ts';
import { publishAs } from '../adapters/jetstream/publish-as.ts';
import { putPair } from '../adapters/lmdb/put-pair.ts';
import type { NeedleValue } from '../needle.ts';
import { EAST, WEST } from './canary-groups.ts';
import { jsonOf, type SecretSource } from './secret-rows.ts';

/** A value put where it may not be, and every medium in which it then stands. */
export interface PlantedLeak {
  readonly into: string;
  readonly seenIn: readonly string[];
  readonly value: NeedleValue;
  readonly plant: () => Promise<void> | void;
}

/** The foreign region: its broker runs, its other processes do not. */
export interface LeakyRegion {
  readonly config: RegionConfig;
  /** The folder of region.yaml. */
  readonly folder: string;
  /** Id of a group that its broker takes rows of. */
  readonly groupId: string;
  readonly source: SecretSource;
  /** Sends bytes into a path from it to another region. */
  readonly send: (service: 'link' | 'http', to: string, bytes: Uint8Array) => Promise<void>;
}

/** One leak per part of the stored media: streams, LMDB, files, bytes on the way to other regions; forms and encodings vary. */
export function plantedLeaks(region: LeakyRegion): readonly PlantedLeak[] {
  const inStore = region.config.store.type === 'lmdb' ? inLmdb(region) : inCassandra(region);
  return [...inStreams(region), ...inStore, ...inRegistry(region), ...inFiles(region), ...onTheWay(region)];
}

function leak(
  into: string,
  seenIn: readonly string[],
  value: NeedleValue,
  plant: (plain: Uint8Array, json: unknown) => Promise<void> | void,
): PlantedLeak {
  return { into, seenIn, value, plant: () => plant(packed(value), jsonOf(value)) };
}

function inStreams({ config, groupId, source }: LeakyRegion): readonly PlantedLeak[] {
  const unusedSlot = feedOwnSubject(groupId, 1, 9);
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify({ value }));
  const stored = (medium: string): readonly string[] => [medium, 'broker files'];
  return [
    leak('FEED', stored(FEED_STREAM), source.int64(), plain =>
      publishAs(config, 'sync', { subject: unusedSlot, body: encodeFeedChunk([rowOf(config, plain)]) }),
    ),
    leak('headers of FEED', stored(FEED_STREAM), source.bytes(), plain =>
      publishAs(config, 'sync', {
        subject: unusedSlot,
        body: encodeFeedChunk([]),
        head: { 'fm-answer': Buffer.from(plain).toString('hex') },
      }),
    ),
    leak('HELD', stored(HELD_STREAM), source.int64(), (_, value) =>
      publishAs(config, 'sync', {
        subject: heldSubject(EAST, 'e0', 1),
        body: zstdCompressSync(json(value)),
      }),
    ),
    leak('OUT', stored(OUT_STREAM), source.vector(), plain =>
      publishAs(config, `relay.${EAST}`, {
        subject: OUT_LINK_SUBJECT,
        body: encodeLinkRows(Array.from({ length: 40 }, () => rowOf(config, plain))),
      }),
    ),
    leak('CTL', stored('CTL'), source.bytes(), (_, value) =>
      publishAs(config, `links.${EAST}`, { subject: 'CTL.catalogue', body: json(value) }),
    ),
    leak('CUR', stored(CURSOR_STREAM), source.text(), (_, value) =>
      publishAs(config, `links.${WEST}`, { subject: cursorSubject(groupId), body: json(value) }),
    ),
  ];
}

/** Where an LMDB environment is met: through LMDB, and in its files. */
const storedIn = (environment: string): readonly string[] => [`LMDB ${environment}`, 'LMDB files'];

function inLmdb({ config, groupId, source }: LeakyRegion): readonly PlantedLeak[] {
  const stored = storedIn('online');
  return [
    leak('rows in LMDB', stored, source.float64(), plain =>
      putPair(config, 'online', { database: `g_${groupId}`, key: 'key', value: rowOf(config, plain).row }),
    ),
    leak('keys in LMDB', stored, source.text(), (_, value) =>
      putPair(config, 'online', { database: `g_${groupId}`, key: String(value), value: Buffer.from('row') }),
    ),
    leak('idempotency index', stored, source.text(), (_, value) =>
      putPair(config, 'online', {
        database: 'idempotency',
        key: 'id',
        value: Buffer.from(JSON.stringify({ answer: value })),
      }),
    ),
  ];
}

function inRegistry({ config, source }: LeakyRegion): readonly PlantedLeak[] {
  return [
    leak('registry', storedIn('registry'), source.int64(), (_, value) =>
      putPair(config, 'registry', {
        database: 'entries',
        key: 'group x',
        value: Buffer.from(JSON.stringify({ value })),
      }),
    ),
  ];
}

function inCassandra({ config, folder, groupId, source }: LeakyRegion): readonly PlantedLeak[] {
  const stored = ['Cassandra tables', 'Cassandra files'];
  const put = (row: PlantedRow): Promise<void> => plantRow(config, row);
  const table = `g_${groupId}`;
  return [
    leak('rows in Cassandra', stored, source.float64(), plain =>
      put({ table, columns: { k: Buffer.from('key'), v: Buffer.from(rowOf(config, plain).row) } }),
    ),
    leak('keys in Cassandra', stored, source.text(), (_, value) =>
      put({ table, columns: { k: Buffer.from(String(value)), v: Buffer.from('row') } }),
    ),
    leak('idempotency index', stored, source.text(), (_, value) =>
      put({
        table: 'fm_idempotency',
        columns: { id: 'id', stored_at_ms: 1, body_hash: '', answer: JSON.stringify({ answer: value }) },
      }),
    ),
    // Taken away again: a snapshot keeps what the table has no longer.
    leak(IN_SNAPSHOT, ['Cassandra files'], source.text(), async (_, value) => {
      const row = { table, columns: { k: Buffer.from('gone'), v: Buffer.from(String(value)) } };
      await put(row);
      await takeSnapshots(folder);
      await put({ ...row, columns: { ...row.columns, v: Buffer.from('another') } });
    }),
  ];
}

/** What the leak is called that stands in a snapshot alone. */
export const IN_SNAPSHOT = 'a snapshot';

/** Flushes every node of the region's cluster and has it take a snapshot. */
async function takeSnapshots(regionFolder: string): Promise<void> {
  const plan = lastStorePlanOf(regionFolder)?.cassandra;
  if (plan === undefined) throw new Error('the region has no Cassandra of its own');
  const cluster = await LocalCassandra.open(plan);
  for (const { index } of cluster.nodes) {
    await cluster.nodetool(index, 'flush');
    await cluster.nodetool(index, 'snapshot', '-t', 'planted');
  }
}

function inFiles({ config, folder, source }: LeakyRegion): readonly PlantedLeak[] {
  const inData = (...names: string[]): string => join(config.dataDir, ...names);
  return [
    leak('objects', ['objects'], source.vector(), (_, value) => {
      mkdirSync(inData('objects', 'orders'), { recursive: true });
      writeFileSync(inData('objects', 'orders', 'part-0.json.gz'), gzipSync(JSON.stringify({ value })));
    }),
    leak('logs', ['logs'], source.bytes(), plain => {
      const line = { region: config.id, message: 'refused', key: Buffer.from(plain).toString('hex') };
      appendFileSync(inData('logs', 'sync.log'), `${JSON.stringify(line)}\n`);
    }),
    leak("the gateway's saved state", ['run files'], source.text(), (_, value) => {
      const path = inData('run', 'gateway-mesh-state.json');
      const saved = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...saved, answers: [value] }));
    }),
    leak('a file beside the configuration', ['other files'], source.float64(), (_, value) =>
      writeFileSync(join(folder, 'debug.json'), JSON.stringify({ value })),
    ),
  ];
}

function onTheWay({ config, source, send }: LeakyRegion): readonly PlantedLeak[] {
  return [
    leak('a link', [`link ${config.id} to ${WEST}, requests`], source.int64(), plain => {
      const batch = encodeLinkRows([rowOf(config, plain)]);
      const head = Buffer.from(`LMSG x ${batch.length}\r\n`);
      return send('link', WEST, Buffer.concat([head, batch, Buffer.from('\r\n')]));
    }),
    leak("a gateway's request", [`http ${config.id} to ${EAST}, requests`], source.text(), (_, value) =>
      send('http', EAST, Buffer.from(`POST /graphql HTTP/1.1\r\n\r\n${JSON.stringify({ keys: [value] })}`)),
    ),
  ];
}

/** A row as the region's packer would have packed it, with this as payload. */
function rowOf({ id }: RegionConfig, payload: Uint8Array): { key: Uint8Array; row: Uint8Array } {
  const header = new Uint8Array(ROW_HEADER_BYTES);
  writeRowConstants(header, regionId(id), 1);
  return { key: Buffer.from('key'), row: Buffer.concat([header, payload]) };
}

/** A value as payloads have it. */
function packed(value: NeedleValue): Uint8Array {
  switch (value.kind) {
    case 'text':
      return Buffer.from(value.text);
    case 'bytes':
      return value.bytes;
    case 'vector':
      return new Uint8Array(Float32Array.from(value.float32).buffer);
    case 'int64': {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(value.int64);
      return bytes;
    }
    case 'float64': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(value.float64);
      return bytes;
    }
  }
}
