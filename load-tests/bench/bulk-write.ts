import { regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import type { Figure } from './figure.ts';
import { rounded } from './http-load.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';
import { articleStatsRows, ensureNewsFeed } from './news-workload.ts';

const BATCH_ROWS = 500;
const BODIES = 40;
const CONNECTIONS = [1, 8] as const;
const PATH = `/v1/groups/${NEWS_HOME}/article_stats/rows`;

/** Rows per second in batches of 500 rows of ten floats, acknowledged only when synced to the log and applied. */
export const bulkWrite: Figure = {
  name: 'bulk-write',
  about: 'rows/s into one region, batches of 500 rows of 10 floats, replicated to two more regions',
  needsMesh: true,
  maxMeasurements: 20,
  async *run(context) {
    await ensureNewsFeed(context);
    const { url } = regionOf(context.mesh, NEWS_HOME);
    const requests = Array.from({ length: BODIES }, (_, i) => ({
      path: PATH,
      body: JSON.stringify({ rows: articleStatsRows(i * BATCH_ROWS, BATCH_ROWS) }),
      contentType: 'application/json',
    }));
    const [first] = requests;
    if (first === undefined) return;
    const answer = await probe(url, first, text => text.includes(`"accepted":${BATCH_ROWS}`));
    for (const connections of CONNECTIONS) {
      const shape = { kind: 'closed', connections } as const;
      const { values, echo } = await measureBesideEcho(url, requests, {
        shape,
        seconds: context.seconds,
        answer,
      });
      yield {
        variant: `json-500/closed-${connections}`,
        values: withRows(values),
        echo: withRows(echo),
        note: `${first.body.length} bytes a request`,
      };
    }
  },
};

function withRows(values: Readonly<Record<string, number>>): Record<string, number> {
  return { rowsPerS: rounded((values['requestsPerS'] ?? 0) * BATCH_ROWS), ...values };
}
