import { regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import { BARE_WRITER, lent, startWriter } from './echo.ts';
import type { BenchContext, Figure, Measurement } from './figure.ts';
import { rounded } from './http-load.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';
import { ensureNewsFeed, MEASURED_GROUPS, type MeasuredGroup } from './news-workload.ts';

const BODIES = 500;
const CONNECTIONS = [1, 16, 32] as const;
/** About a row of ten floats as the log holds it. */
const MESSAGE_BYTES = 200;

/** Writes of one row each: how long until a row is durable and applied, and how many a second at once. */
export const singleWrite: Figure = {
  name: 'single-write',
  about: 'writes of one row each, into a local group and one that every region applies',
  needsMesh: true,
  maxMeasurements: 60,
  async *run(context) {
    await ensureNewsFeed(context);
    for (const group of MEASURED_GROUPS) yield* measureGroup(group, context);
  },
};

async function* measureGroup(
  group: MeasuredGroup,
  { mesh, dataDir, seconds }: BenchContext,
): AsyncGenerator<Measurement> {
  const { url } = regionOf(mesh, NEWS_HOME);
  const requests = group.rows(0, BODIES).map(row => ({
    path: group.path,
    body: JSON.stringify({ rows: [row] }),
    contentType: 'application/json',
  }));
  const [first] = requests;
  if (first === undefined) return;
  const answer = await probe(url, first, text => text.includes('"accepted":1'));
  const writer = await startWriter(dataDir);
  try {
    for (const connections of CONNECTIONS) {
      const shape = { kind: 'closed', connections } as const;
      const { limitPerS = 0, ...measured } = await measureBesideEcho(url, requests, {
        ...{ shape, seconds, answer },
        beside: lent(writer),
      });
      const appendsPerS = await writer.appendsPerS({
        callers: connections,
        seconds: Math.max(1, seconds / 4),
        bytes: MESSAGE_BYTES,
      });
      yield {
        variant: `${group.name}/closed-${connections}`,
        ...measured,
        limit: { requestsPerS: limitPerS, appendsPerS: rounded(appendsPerS) },
        note: `limit: ${BARE_WRITER}; appends to that log alone, one message each`,
      };
    }
  } finally {
    await writer.close();
  }
}
