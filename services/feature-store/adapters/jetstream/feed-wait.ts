import { ProblemError, problem } from '@featuremesh/domain/problem';
import { FEED_EPOCH_METADATA, FEED_STREAM } from '@featuremesh/domain/subjects';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import type { JetStreamManager } from '@nats-io/jetstream';

/** First and longest pause between two looks for the stream, which the sync agent makes when it starts. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** Waits until FEED exists with an epoch and returns that; throws a ProblemError LOG_UNAVAILABLE after `waitMs` of pauses. */
export async function awaitFeed(
  manager: JetStreamManager,
  options: { readonly timer: Timer; readonly logger: Logger; readonly waitMs: number },
): Promise<string> {
  let pauseMs = FIRST_PAUSE_MS;
  for (let waitedMs = 0; ; waitedMs += pauseMs) {
    const epoch = await feedEpochNow(manager);
    if (epoch !== undefined) return epoch;
    if (waitedMs === 0) options.logger.info({}, 'waiting for the change log');
    if (waitedMs >= options.waitMs)
      throw new ProblemError(problem('LOG_UNAVAILABLE', 'the broker has no FEED stream with an epoch'));
    await options.timer.sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** The epoch in FEED's metadata; undefined where the stream is not there, not ready, or the broker does not answer. */
export async function feedEpochNow(manager: JetStreamManager): Promise<string | undefined> {
  try {
    const { config } = await manager.streams.info(FEED_STREAM);
    return config.metadata?.[FEED_EPOCH_METADATA];
  } catch {
    return undefined;
  }
}
