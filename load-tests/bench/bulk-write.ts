import { regionOf } from '../mesh/mesh-regions.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import { BARE_WRITER, lent, startWriter } from './echo.ts';
import type { BenchContext, Figure, Measurement } from './figure.ts';
import { rounded } from './http-load.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';
import { ensureNewsFeed, MEASURED_GROUPS, type MeasuredGroup } from './news-workload.ts';

const BATCH_ROWS = 500;
const BODIES = 40;
const CONNECTIONS = [1, 8] as const;

/** Rows per second in batches of 500 rows of ten floats, acknowledged only when synced to the log and applied. */
export const bulkWrite: Figure = {
  name: 'bulk-write',
  about:
    'rows/s into one region, batches of 500 rows of 10 floats, into a local group and one that every region applies',
  needsMesh: true,
  maxMeasurements: 60,
  async *run(context) {
    await ensureNewsFeed(context);
    const { url } = regionOf(context.mesh, NEWS_HOME);
    for (const group of MEASURED_GROUPS) yield* measureGroup(group, url, context);
  },
};

async function* measureGroup(
  group: MeasuredGroup,
  url: string,
  { seconds, dataDir }: BenchContext,
): AsyncGenerator<Measurement> {
  const requests = Array.from({ length: BODIES }, (_, i) => ({
    path: group.path,
    body: JSON.stringify({ rows: group.rows(i * BATCH_ROWS, BATCH_ROWS) }),
    contentType: 'application/json',
  }));
  const [first] = requests;
  if (first === undefined) return;
  const answer = await probe(url, first, text => text.includes(`"accepted":${BATCH_ROWS}`));
  const writer = await startWriter(dataDir);
  try {
    for (const connections of CONNECTIONS) {
      const {
        values,
        echo,
        limitPerS = 0,
      } = await measureBesideEcho(url, requests, {
        ...{ shape: { kind: 'closed', connections } as const, seconds, answer },
        beside: lent(writer),
      });
      yield {
        variant: `${group.name}/json-500/closed-${connections}`,
        values: withRows(values),
        echo: withRows(echo),
        limit: withRows({ requestsPerS: limitPerS }),
        note: `${first.body.length} bytes a request; limit: ${BARE_WRITER}`,
      };
    }
  } finally {
    await writer.close();
  }
}

function withRows(values: Readonly<Record<string, number>>): Record<string, number> {
  return { rowsPerS: rounded((values['requestsPerS'] ?? 0) * BATCH_ROWS), ...values };
}
