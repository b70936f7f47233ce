import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { ChunkRow } from '@featuremesh/domain/feed-chunk';
import { rowStampUs } from '@featuremesh/domain/packed-row';
import type { FeedChunk } from '../ports/feed.ts';

/** Earliest and latest accepted stamp of the rows. */
export function clockRange(rows: readonly ChunkRow[]): Pick<LinkEnvelope, 'clockMinUs' | 'clockMaxUs'> {
  const [first] = rows;
  let earliestUs = first === undefined ? 0n : rowStampUs(first.row);
  let latestUs = earliestUs;
  for (const { row } of rows) {
    const us = rowStampUs(row);
    if (us < earliestUs) earliestUs = us;
    if (us > latestUs) latestUs = us;
  }
  return { clockMinUs: String(earliestUs), clockMaxUs: String(latestUs) };
}

/** Appender slot → first and last FEED sequence of the chunks. */
export function coveredRanges(chunks: readonly FeedChunk[]): Record<string, [number, number]> {
  const ranges: Record<string, [number, number]> = {};
  for (const { appender, sequence } of chunks) {
    const known = ranges[String(appender)];
    ranges[String(appender)] = [known?.[0] ?? sequence, sequence];
  }
  return ranges;
}
