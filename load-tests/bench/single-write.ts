import { regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import type { Figure } from './figure.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';
import { articleStatsRows, ensureNewsFeed } from './news-workload.ts';

const BODIES = 500;
const CONNECTIONS = [1, 32] as const;
const PATH = `/v1/groups/${NEWS_HOME}/article_stats/rows`;

/** Writes of one row each: how long until a row is durable and applied, and how many a second at once. */
export const singleWrite: Figure = {
  name: 'single-write',
  about: 'writes of one row each into one region',
  needsMesh: true,
  maxMeasurements: 20,
  async *run(context) {
    await ensureNewsFeed(context);
    const { url } = regionOf(context.mesh, NEWS_HOME);
    const requests = articleStatsRows(0, BODIES).map(row => ({
      path: PATH,
      body: JSON.stringify({ rows: [row] }),
      contentType: 'application/json',
    }));
    const [first] = requests;
    if (first === undefined) return;
    const answer = await probe(url, first, text => text.includes('"accepted":1'));
    for (const connections of CONNECTIONS) {
      const shape = { kind: 'closed', connections } as const;
      const measured = await measureBesideEcho(url, requests, { shape, seconds: context.seconds, answer });
      yield { variant: `closed-${connections}`, ...measured };
    }
  },
};
