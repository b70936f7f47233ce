import { seededRandom, systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { type Mesh, regionOf } from '../mesh/mesh-regions.ts';
import { RowSender } from '../mesh/row-sender.ts';
import { writeLines } from '../mesh/write-rows.ts';
import { newsRows } from './news-rows.ts';
import { type NewsFeedSize, NewsWorld } from './news-world.ts';

/** Home of every group of the news feed. */
export const NEWS_HOME = 'us-east-1';

/** Makes a news feed from a seed and writes all of it into its home region, with event time now; resolves with rows by group. */
export async function loadNewsFeed(
  mesh: Mesh,
  options: { readonly seed: string; readonly size: NewsFeedSize; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, number>> {
  const world = new NewsWorld(seededRandom(options.seed), options.size);
  const sender = new RowSender(regionOf(mesh, NEWS_HOME), systemTimer);
  const loadId = systemRandom.base32(10);
  const eventTime = new Date().toISOString();
  const written = new Map<string, number>();
  try {
    for (const [group, rows] of newsRows(world)) {
      const lines = rows().map(
        row => `${JSON.stringify({ key: row.key, eventTime, features: row.features })}\n`,
      );
      const count = await writeLines(sender, `${NEWS_HOME}/${group}`, lines, {
        loadId,
        signal: options.signal,
      });
      written.set(group, count);
    }
  } finally {
    await sender.close();
  }
  return written;
}
