import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyEncoder } from '@featuremesh/domain/entity-key';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { RawStore, WRITERS } from '../adapters/cassandra/raw-store.ts';
import { startOwnMesh } from '../mesh/own-mesh.ts';
import { regionGroup } from '../mesh/region-group.ts';
import type { BenchContext, Figure, Measurement } from './figure.ts';
import { type LoadRequest, loadHttp } from './http-load.ts';
import { LeanClient } from './lean-client.ts';
import { probe } from './measure-beside-echo.ts';
import { ensureNewsFeed, MEASURED_GROUPS, type Slate, slates } from './news-workload.ts';
import { medianOf, medianShare, type RawSlates, rawShapes, shapedWork, slatesOfSize } from './raw-slates.ts';

/** What a slate reads: 51 rows of ten floats, or those and as many rows with an embedding of 64 dimensions. */
const CONTENTS = {
  floats: { service: 'news_ranking', groups: ['user_engagement', 'article_stats'] },
  embeddings: {
    service: 'news_ranking_embeddings',
    groups: ['user_engagement', 'user_profile', 'article_stats', 'article_content'],
  },
  'embeddings-base64': {
    service: 'news_ranking_embeddings',
    groups: ['user_engagement', 'user_profile', 'article_stats', 'article_content'],
    vectorsAs: 'base64f32',
  },
} as const;
const SLATE_SIZES = [5, 51, 200];
const CALLERS = [1, 4, 8];
/** Of the contents after the first. */
const FEWER_CALLERS = [8];
const CONSTANT_PER_S = 300;
/** Rounds, region and driver in turn and side by side: others use the machine too, so that medians and shares within a round count. */
const ROUNDS = 5;
/** Enough that no request waits for one at the rates asked for. */
const POOL_CONNECTIONS = 64;
/** Requests asked for, as a multiple of what sixteen connections get, and connections enough that the client is no queue. */
const OVERLOAD = 3;
const OVERLOAD_CONNECTIONS = 1_000;
/** With one node in the data centre grouping by replica is one statement, which is compared for itself. */
const SLATE_PLANS = ['singles', 'in'] as const;
const BATCH_ROWS = 500;
const WRITE_BODIES = 40;
const WRITE_CONNECTIONS = 8;
const RAW_WRITE_ROWS = 5_000;
/** A node that has just started compiles for most of a minute, and costs three times as much meanwhile: no measure for either side. */
const WARM_UP_S = 45;
/** Rows of one batch, beyond which the server warns. */
const BATCHED_ROWS = 10;

/** The region that is measured, and the driver beside it. */
interface Measured {
  readonly context: BenchContext;
  readonly url: string;
  readonly raw: RawStore;
  /** Process ids. */
  readonly parts: { readonly nodes: readonly number[]; readonly service: number };
}

/** Reads and writes of a region on Cassandra beside the bare driver on the same cluster, in the same run, everything on this machine. */
export const onlineStore: Figure = {
  name: 'online-store',
  about:
    'a region on Cassandra (two data centres of one node) beside the bare driver: slates, read plans, writes; starts its own',
  needsMesh: false,
  maxMeasurements: 100,
  async *run(context) {
    const dataDir = mkdtempSync(join(tmpdir(), 'featuremesh-online-'));
    context.say('starting one region with --profile full');
    const own = await startOwnMesh(dataDir, ['--profile', 'full', '--regions', '1', '--no-demo']);
    try {
      const inOwn = { ...context, mesh: own.mesh, dataDir };
      await ensureNewsFeed(inOwn);
      const [region] = own.mesh.regions;
      const { store } = loadRegionConfig(join(dataDir, 'regions', region?.id ?? '', 'region.yaml'));
      if (region === undefined || store.type !== 'cassandra')
        throw new Error('the region is not on Cassandra');
      const raw = await RawStore.connect(store);
      try {
        const pids = region.pids ?? {};
        const nodes = Object.keys(pids).flatMap(name =>
          name.startsWith('cassandra') ? (pids[name] ?? []) : [],
        );
        yield* measureAll({
          context: inOwn,
          url: region.url,
          raw,
          parts: { nodes, service: pids['service-0'] ?? 0 },
        });
      } finally {
        await raw.close();
      }
    } finally {
      await own.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};

async function* measureAll(measured: Measured): AsyncGenerator<Measurement> {
  const { url, raw } = measured;
  for (const [content, { service, groups, ...how }] of Object.entries(CONTENTS)) {
    const wanted = slates();
    const keys = await keysOf(url, raw, groups, wanted);
    const requests = wanted.map(asked => ({
      path: '/v1/online/read',
      body: JSON.stringify({ service, keys: asked, ...how }),
      contentType: 'application/json',
    }));
    if (content === 'floats') {
      await warmUp(measured, keys, requests);
      yield* readPlans(measured, keys);
    }
    yield* slateReads(measured, { content, keys, requests });
    if (content === 'floats') yield* overload(measured, requests);
  }
  yield* writes(measured);
}

/** Reads by all plans and over HTTP, in turn, until what answers them has been compiled. */
async function warmUp(
  { context, url, raw }: Measured,
  keys: RawSlates,
  requests: readonly LoadRequest[],
): Promise<void> {
  context.say(`  warming up for ${WARM_UP_S} s`);
  const shape = { kind: 'closed', connections: 8 } as const;
  const until = performance.now() + 1_000 * WARM_UP_S;
  while (performance.now() < until && !context.signal.aborted) {
    await rawShapes(raw, keys, { shape, seconds: 1, plans: SLATE_PLANS });
    await loadHttp(url, requests, { shape, seconds: 2 });
  }
}

/** Whole requests over HTTP beside the driver's best plan for the same rows, by turns, with the processor time of all that works for each. */
async function* slateReads(
  { context, url, raw, parts }: Measured,
  what: { content: string; keys: RawSlates; requests: readonly LoadRequest[] },
): AsyncGenerator<Measurement> {
  const { content, keys, requests } = what;
  const [first] = requests;
  if (first === undefined) return;
  const answer = await probe(url, first, text => !/NOT_FOUND|REFUSED|UNAVAILABLE/.test(text));
  const client = new LeanClient(url, POOL_CONNECTIONS);
  const send = async (index: number): Promise<boolean> =>
    (await client.post(requests[index % requests.length] ?? first)).status === 200;
  const shapes = [
    ...(content === 'floats' ? CALLERS : FEWER_CALLERS).map(
      connections => ({ kind: 'closed', connections }) as const,
    ),
    { kind: 'open', requestsPerS: CONSTANT_PER_S } as const,
  ];
  const seconds = Math.max(1, Math.round(context.seconds / ROUNDS));
  for (const shape of shapes) {
    const name = shape.kind === 'closed' ? `closed-${shape.connections}` : `constant-${shape.requestsPerS}`;
    context.say(`  slate, ${content}, ${name}`);
    const rounds: { of: Record<string, number>; limit: Record<string, number> }[] = [];
    const plans: string[] = [];
    const served = { shape, seconds, pids: [...parts.nodes, parts.service] };
    const asked = { shape, seconds, pids: [...parts.nodes, process.pid], plans: SLATE_PLANS };
    for (let round = 0; round < ROUNDS && !context.signal.aborted; round++) {
      // Who comes second finds the nodes as the first one left them: each does, in turn.
      const before = round % 2 === 0 ? await shapedWork(send, served) : undefined;
      const { values: limit, plan } = await rawShapes(raw, keys, asked);
      rounds.push({ of: before ?? (await shapedWork(send, served)), limit });
      plans.push(plan);
    }
    const shares = ['p50Ms', 'p99Ms', 'cpuUsPerRequest'].map(value => [
      value.replace(/Ms|UsPerRequest/, 'OfDriver'),
      medianShare(rounds, value),
    ]);
    yield {
      variant: `slate/${content}/${name}`,
      values: { ...medianOf(rounds.map(({ of }) => of)), ...Object.fromEntries(shares) },
      limit: medianOf(rounds.map(({ limit }) => limit)),
      note: `${keys[0]?.length ?? 0} rows, ${answer.length} bytes answered; medians of ${rounds.length} rounds; limit: the driver's best plan (${plans.join(', ')}); processor time of nodes and service, or of nodes and driver`,
    };
  }
  await client.close();
}

/** More than can be answered: what is refused is refused with a time to come back, and what is accepted is answered in time. */
async function* overload(
  { context, url }: Measured,
  requests: readonly LoadRequest[],
): AsyncGenerator<Measurement> {
  const { seconds } = context;
  context.say('  slate, floats, overload');
  const peak = await loadHttp(url, requests, { shape: { kind: 'closed', connections: 16 }, seconds });
  const requestsPerS = Math.ceil((peak['requestsPerS'] ?? 1) * OVERLOAD);
  const client = new LeanClient(url, OVERLOAD_CONNECTIONS);
  let [refused, unexplained] = [0, 0];
  const values = await shapedWork(
    async index => {
      const request = requests[index % requests.length];
      if (request === undefined) return false;
      const { status, hasRetryAfter } = await client.post(request);
      if (status === 200) return true;
      if ([429, 503].includes(status) && hasRetryAfter) refused += 1;
      else unexplained += 1;
      return false;
    },
    { shape: { kind: 'open', requestsPerS }, seconds },
  );
  await client.close();
  yield {
    variant: `slate/floats/overload-${OVERLOAD}x`,
    values: { askedPerS: requestsPerS, ...values, refused, unexplained },
    limit: { requestsPerS: peak['requestsPerS'] ?? 0, p99Ms: peak['p99Ms'] ?? 0 },
    note: 'latencies are those of accepted requests; refused: 429 or 503 with retry-after; limit: 16 connections before',
  };
}

/** The driver's ways of reading, by number of keys and callers. */
async function* readPlans({ context, raw }: Measured, whole: RawSlates): AsyncGenerator<Measurement> {
  for (const size of SLATE_SIZES) {
    const sized = slatesOfSize(whole, size);
    for (const callers of CALLERS) {
      context.say(`  read plans, ${size} keys, ${callers} callers`);
      const shape = { kind: 'closed', connections: callers } as const;
      const seconds = Math.max(1, context.seconds / 5);
      const { byPlan } = await rawShapes(raw, sized, { shape, seconds });
      for (const [plan, values] of Object.entries(byPlan)) {
        yield {
          variant: `plan/${size}-keys/${plan}/closed-${callers}`,
          values,
          note: `the bare driver; ${raw.localNodes} node in the local data centre, with which grouping by replica is one statement a table`,
        };
      }
    }
  }
}

async function* writes({ context, url, raw }: Measured): AsyncGenerator<Measurement> {
  const [group] = MEASURED_GROUPS;
  if (group === undefined) return;
  const requests = Array.from({ length: WRITE_BODIES }, (_, i) => ({
    path: group.path,
    body: JSON.stringify({ rows: group.rows(i * BATCH_ROWS, BATCH_ROWS) }),
    contentType: 'application/json',
  }));
  const table = await tableOf(url, raw, 'user_engagement');
  const shape = { kind: 'closed', connections: WRITE_CONNECTIONS } as const;
  const seconds = Math.max(2, Math.round(context.seconds / ROUNDS));
  const rounds: { of: Record<string, number>; limit: Record<string, number> }[] = [];
  for (let round = 0; round <= ROUNDS && !context.signal.aborted; round++) {
    context.say(round === 0 ? '  writes, warming up' : `  writes, round ${round}`);
    const { requestsPerS = 0, failed = 0 } = await loadHttp(url, requests, { shape, seconds });
    const written = { rows: RAW_WRITE_ROWS, seconds };
    const rowsPerS = await raw.writesPerS(table, { ...written, batchRows: 1 });
    const batchedPerS = await raw.writesPerS(table, { ...written, batchRows: BATCHED_ROWS });
    if (round === 0) continue;
    const ours = requestsPerS * BATCH_ROWS;
    rounds.push({ of: { rowsPerS: ours, batchedPerS: ours, failed }, limit: { rowsPerS, batchedPerS } });
  }
  const { rowsPerS = 0, failed = 0 } = medianOf(rounds.map(({ of }) => of));
  yield {
    variant: `write/json-${BATCH_ROWS}/closed-${WRITE_CONNECTIONS}`,
    values: {
      rowsPerS,
      failed,
      ofLimit: medianShare(rounds, 'rowsPerS'),
      ofBatched: medianShare(rounds, 'batchedPerS'),
    },
    limit: medianOf(rounds.map(({ limit }) => limit)),
    note: `over HTTP, synced to the log and applied at LOCAL_QUORUM; limit: the driver inserts the same blobs at LOCAL_QUORUM, ${WRITERS} at once, one by one or (batchedPerS) in batches of ${BATCHED_ROWS}`,
  };
}

async function keysOf(
  url: string,
  raw: RawStore,
  groups: readonly string[],
  wanted: readonly Slate[],
): Promise<RawSlates> {
  const users = new KeyEncoder([{ name: 'user', type: 'string' }]);
  const articles = new KeyEncoder([{ name: 'article', type: 'string' }]);
  const tables = await Promise.all(
    groups.map(async group => ({ group, table: await tableOf(url, raw, group) })),
  );
  const encoded = (encoder: KeyEncoder, values: Record<string, string>): Buffer => {
    const key = encoder.encode(values);
    if (!key.ok) throw new Error(key.problem.detail);
    return Buffer.from(key.value);
  };
  return wanted.map(({ user, article }) =>
    tables.flatMap(({ group, table }) =>
      group.startsWith('user')
        ? [{ table, key: encoded(users, { user }) }]
        : article.map(id => ({ table, key: encoded(articles, { article: id }) })),
    ),
  );
}

async function tableOf(url: string, raw: RawStore, group: string): Promise<string> {
  const { id, version } = await regionGroup(url, group);
  return raw.tableOf(id, version);
}
