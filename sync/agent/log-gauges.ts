import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Timer } from '@featuremesh/runtime/timer';
import type { FeedUsage } from '../ports/feed.ts';

/** Longest wait for the broker while metrics are asked for. */
const BROKER_WITHIN_MS = 500;

const UNKNOWN: FeedUsage = { bytes: Number.NaN, limitBytes: Number.NaN, messages: Number.NaN };

/** Sets the gauges of the log as of now; NaN where the broker does not answer in time. Never rejects. */
export async function setLogGauges(
  usage: () => Promise<FeedUsage>,
  { metrics, timer }: { readonly metrics: Metrics; readonly timer: Timer },
): Promise<void> {
  const answered = new AbortController();
  const late = timer.sleep(BROKER_WITHIN_MS, answered.signal).then(() => UNKNOWN);
  const { bytes, limitBytes, messages } = await Promise.race([usage().catch(() => UNKNOWN), late]);
  answered.abort();
  metrics.gauge('featuremesh_feed_bytes', {}, bytes);
  metrics.gauge('featuremesh_feed_limit_bytes', {}, limitBytes);
  metrics.gauge('featuremesh_feed_messages', {}, messages);
}
