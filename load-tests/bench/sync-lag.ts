import { systemTimer } from '@featuremesh/runtime/timer';
import { Pool } from 'undici';
import { type Mesh, type MeshRegion, regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import type { BenchContext, Figure, Measurement } from './figure.ts';
import { percentile } from './http-load.ts';
import { articleStatsRows, ensureNewsFeed } from './news-workload.ts';
import { sendAtRate } from './open-loop.ts';

const PATH = `/v1/groups/${NEWS_HOME}/article_stats/rows`;
/** A row is followed so often, whatever became of those before. */
const SAMPLE_EVERY_MS = 50;
/** A row that is not seen by then counts as not seen, and so long is waited for it after the last was written. */
const GIVE_UP_MS = 5_000;
/** Connections to each region. */
const CONNECTIONS = 64;
/** Rows of one request of the writers beside the samples, and how many of them the mesh takes a second in all its regions. */
const BACKGROUND_ROWS = 100;
const BACKGROUND_ROWS_PER_S = 5_000;
const BODIES = 20;

/** From the acknowledgement of a row in one region until another region's own HTTP shows it to a read `after` its position: idle, and beside writes at a constant rate into all regions. */
export const syncLag: Figure = {
  name: 'sync-lag',
  about: `time from the acknowledgement in one region to a read in another, idle and at ${BACKGROUND_ROWS_PER_S} rows/s in total`,
  needsMesh: true,
  maxMeasurements: 12,
  async *run(context) {
    await ensureNewsFeed(context);
    if (context.mesh.regions.length < 2) throw new Error('the mesh has one region: nothing is replicated');
    for (const rowsPerS of [0, BACKGROUND_ROWS_PER_S]) {
      context.say(rowsPerS === 0 ? '  idle' : `  at ${rowsPerS} rows/s`);
      const background = rowsPerS === 0 ? undefined : writeAtRate(context, rowsPerS);
      const measured = await followed(context);
      const sent = await background;
      for (const { variant, values } of measured)
        yield {
          variant: `${variant}/${rowsPerS === 0 ? 'idle' : `${rowsPerS}-rows-per-s`}`,
          values: { ...values, ...(sent === undefined ? {} : { rowsPerS: sent }) },
          note: `open loop, a row every ${SAMPLE_EVERY_MS} ms; what is not seen within ${GIVE_UP_MS / 1_000} s counts as not seen`,
        };
    }
  },
};

/** Writes rows from home for some seconds and waits for each of them in every other region; rows do not wait for each other. */
async function followed(context: BenchContext): Promise<Measurement[]> {
  const home = regionOf(context.mesh, NEWS_HOME);
  const others = context.mesh.regions.filter(({ id }) => id !== NEWS_HOME);
  const pools = new Map(
    context.mesh.regions.map(({ id, url }) => [id, new Pool(url, { connections: CONNECTIONS })]),
  );
  const lags = new Map(others.map(({ id }) => [id, { lagsMs: [] as number[], notSeen: 0 }]));
  const follow = async (i: number): Promise<void> => {
    // A key of its own: beside other writes a newer row of the same article would win.
    const article = `lag-${Date.now()}-${i}`;
    const [row] = articleStatsRows(0, 1);
    const body = { rows: [{ ...row, key: { article }, eventTime: new Date().toISOString() }] };
    const { position } = JSON.parse(await post(pools.get(home.id), PATH, body)) as { position: string };
    const acknowledgedMs = performance.now();
    await Promise.all(
      others.map(async ({ id }) => {
        const shown = await isShown(pools.get(id), { article, position, signal: context.signal });
        const found = lags.get(id);
        if (found === undefined) return;
        if (shown) found.lagsMs.push(performance.now() - acknowledgedMs);
        else found.notSeen += 1;
      }),
    );
  };
  try {
    const samples = Math.ceil((context.seconds * 1_000) / SAMPLE_EVERY_MS);
    const startMs = performance.now();
    const running: Promise<void>[] = [];
    for (let i = 0; i < samples && !context.signal.aborted; i++) {
      running.push(follow(i));
      await systemTimer.sleep(Math.max(0, startMs + (i + 1) * SAMPLE_EVERY_MS - performance.now()));
    }
    const failed = (await Promise.allSettled(running)).filter(({ status }) => status === 'rejected').length;
    if (failed > 0) throw new Error(`${failed} of ${running.length} rows could not be written or read`);
  } finally {
    await Promise.all([...pools.values()].map(pool => pool.close()));
  }
  return [...lags].map(([id, { lagsMs, notSeen }]) => {
    const sorted = lagsMs.toSorted((a, b) => a - b);
    const [p50Ms, p90Ms, p99Ms, maxMs] = [0.5, 0.9, 0.99, 1].map(share => percentile(sorted, share));
    return {
      variant: `${NEWS_HOME}-to-${id}`,
      values: {
        p50Ms: p50Ms ?? 0,
        p90Ms: p90Ms ?? 0,
        p99Ms: p99Ms ?? 0,
        maxMs: maxMs ?? 0,
        samples: sorted.length,
        notSeen,
      },
    };
  });
}

/**
 * One read `after` the row's position, which the region answers when it has applied it: reads again and again would be load of their own,
 * thousands a second, and would measure themselves.
 */
async function isShown(
  pool: Pool | undefined,
  { article, position, signal }: { article: string; position: string; signal: AbortSignal },
): Promise<boolean> {
  const deadlineMs = performance.now() + GIVE_UP_MS;
  const request = {
    features: ['article_stats:age_hours'],
    keys: { article },
    consistency: { after: position },
  };
  while (performance.now() < deadlineMs && !signal.aborted) {
    const answer = await ask(pool, '/v1/online/read', request);
    if (answer.text.includes('PRESENT')) return true;
    if (!answer.text.includes('POSITION_NOT_REACHED'))
      throw new Error(`a read after a position answered ${answer.status}: ${answer.text.slice(0, 200)}`);
  }
  return false;
}

/** Writes at a constant rate into all regions for as long as rows are followed; resolves with the rate that was taken. */
async function writeAtRate({ mesh, seconds, signal }: BenchContext, rowsPerS: number): Promise<number> {
  const requestsPerS = rowsPerS / BACKGROUND_ROWS / mesh.regions.length;
  const taken = await Promise.all(
    mesh.regions.map(region =>
      sendAtRate(region.url, bodies(mesh, region), { requestsPerS, seconds, signal }),
    ),
  );
  const requests = taken.reduce((sum, { latenciesMs }) => sum + latenciesMs.length, 0);
  return Math.round((requests * BACKGROUND_ROWS) / seconds);
}

function bodies(mesh: Mesh, region: MeshRegion) {
  const offset = mesh.regions.indexOf(region) * BODIES;
  return Array.from({ length: BODIES }, (_, i) => ({
    path: PATH,
    body: JSON.stringify({ rows: articleStatsRows((offset + i) * BACKGROUND_ROWS, BACKGROUND_ROWS) }),
    contentType: 'application/json',
  }));
}

async function post(pool: Pool | undefined, path: string, body: object): Promise<string> {
  const { status, text } = await ask(pool, path, body);
  if (status >= 300) throw new Error(`${path} answered ${status}`);
  return text;
}

async function ask(
  pool: Pool | undefined,
  path: string,
  body: object,
): Promise<{ status: number; text: string }> {
  if (pool === undefined) throw new Error('an unknown region');
  const response = await pool.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.statusCode, text: await response.body.text() };
}
