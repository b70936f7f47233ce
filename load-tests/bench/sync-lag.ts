import { systemTimer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import { type MeshRegion, regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import type { BenchContext, Figure, Measurement } from './figure.ts';
import { loadHttp, percentile } from './http-load.ts';
import { articleStatsRows, ensureNewsFeed } from './news-workload.ts';

const PATH = `/v1/groups/${NEWS_HOME}/article_stats/rows`;
/** Rows followed, one after the other. */
const SAMPLES = 60;
/** A read of the other region every so often: the resolution of the figure. */
const POLL_MS = 3;
const GIVE_UP_MS = 30_000;
const BACKGROUND_CONNECTIONS = 2;
const BACKGROUND_ROWS = 500;

/** From the acknowledgement of a row in one region until another region's own HTTP read shows it: idle, and beside bulk writes. */
export const syncLag: Figure = {
  name: 'sync-lag',
  about: 'time from the acknowledgement in one region to a read in another, idle and under bulk writes',
  needsMesh: true,
  async *run(context) {
    await ensureNewsFeed(context);
    const others = context.mesh.regions.filter(({ id }) => id !== NEWS_HOME);
    for (const other of others) yield await followed(context, other, 'idle');
    const background = bulkWrites(context);
    try {
      for (const other of others) yield await followed(context, other, 'bulk');
    } finally {
      background.stop();
      await background.ended;
    }
  },
};

async function followed(context: BenchContext, other: MeshRegion, load: string): Promise<Measurement> {
  const home = regionOf(context.mesh, NEWS_HOME);
  const lags: number[] = [];
  let lost = 0;
  for (let i = 0; i < SAMPLES && !context.signal.aborted; i++) {
    const mark = Date.now() + i / 1_000;
    // A key of its own: under bulk writes a newer row of the same article would win.
    const article = `lag-${load}-${i}`;
    const row = { ...articleStatsRows(0, 1)[0], key: { article } };
    const features = { ...statsFeatures(row), age_hours: mark };
    await post(`${home.url}${PATH}`, { rows: [{ ...row, eventTime: new Date().toISOString(), features }] });
    const acknowledgedMs = performance.now();
    const shown = await until(other, article, mark);
    if (shown) lags.push(performance.now() - acknowledgedMs);
    else lost += 1;
  }
  const sorted = lags.toSorted((a, b) => a - b);
  return {
    variant: `${NEWS_HOME}-to-${other.id}/${load}`,
    values: {
      p50Ms: percentile(sorted, 0.5),
      p90Ms: percentile(sorted, 0.9),
      maxMs: percentile(sorted, 1),
      samples: sorted.length,
      notSeen: lost,
    },
    note: `not seen within ${GIVE_UP_MS / 1_000} s counts as not seen`,
  };
}

function statsFeatures(row: object): object {
  return 'features' in row && typeof row.features === 'object' && row.features !== null ? row.features : {};
}

async function until(region: MeshRegion, article: string, mark: number): Promise<boolean> {
  const deadlineMs = performance.now() + GIVE_UP_MS;
  while (performance.now() < deadlineMs) {
    const answer = await post(`${region.url}/v1/online/read`, {
      features: ['article_stats:age_hours'],
      keys: { article },
    });
    if (answer.includes(String(mark))) return true;
    await systemTimer.sleep(POLL_MS);
  }
  return false;
}

/** Bulk writes over two connections until stopped. */
function bulkWrites(context: BenchContext): { stop(): void; readonly ended: Promise<void> } {
  const { url } = regionOf(context.mesh, NEWS_HOME);
  const requests = Array.from({ length: 20 }, (_, i) => ({
    path: PATH,
    body: JSON.stringify({ rows: articleStatsRows(i * BACKGROUND_ROWS, BACKGROUND_ROWS) }),
    contentType: 'application/json',
  }));
  let stopped = false;
  const run = async (): Promise<void> => {
    while (!stopped) {
      await loadHttp(url, requests, {
        shape: { kind: 'closed', connections: BACKGROUND_CONNECTIONS },
        seconds: 2,
      });
    }
  };
  return {
    ended: run(),
    stop: () => {
      stopped = true;
    },
  };
}

async function post(url: string, body: object): Promise<string> {
  const response = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`${url} answered ${response.statusCode}`);
  return text;
}
