import { regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import type { Figure } from './figure.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';
import { ensureNewsFeed, MEASURED_GROUPS } from './news-workload.ts';

const BODIES = 500;
const CONNECTIONS = [1, 16, 32] as const;

/** Writes of one row each: how long until a row is durable and applied, and how many a second at once. */
export const singleWrite: Figure = {
  name: 'single-write',
  about: 'writes of one row each, into a local group and one that every region applies',
  needsMesh: true,
  maxMeasurements: 40,
  async *run(context) {
    await ensureNewsFeed(context);
    const { url } = regionOf(context.mesh, NEWS_HOME);
    for (const group of MEASURED_GROUPS) {
      const requests = group.rows(0, BODIES).map(row => ({
        path: group.path,
        body: JSON.stringify({ rows: [row] }),
        contentType: 'application/json',
      }));
      const [first] = requests;
      if (first === undefined) return;
      const answer = await probe(url, first, text => text.includes('"accepted":1'));
      for (const connections of CONNECTIONS) {
        const shape = { kind: 'closed', connections } as const;
        const measured = await measureBesideEcho(url, requests, { shape, seconds: context.seconds, answer });
        yield { variant: `${group.name}/closed-${connections}`, ...measured };
      }
    }
  },
};
