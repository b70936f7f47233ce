import { chunkRowCount } from '@featuremesh/domain/feed-chunk';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { overlay } from '@featuremesh/runtime/overlay';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { AppendOutcome, ChangeLog, ChunkAppend } from '../ports/change-log.ts';

/** What observing needs; without tracing nothing but the metrics is made. */
export interface ObserverParts {
  readonly metrics: Metrics;
  readonly clock: MonotonicClock;
  readonly tracing: Tracing | undefined;
}

/** A log whose appends are timed and counted, and, where a request's trace is sampled, carry it in the message's header. */
export function observedLog<Log extends ChangeLog>(
  log: Log,
  { metrics, clock, tracing }: ObserverParts,
): Log {
  const append = tracing === undefined ? log.append.bind(log) : tracedAppend(log, tracing);
  const observed: Pick<ChangeLog, 'append'> = {
    append: async chunk => {
      const startedMs = clock.monotonicMs();
      const outcome = await append(chunk);
      if (outcome.kind !== 'stored') return outcome;
      metrics.observe('featuremesh_feed_append_seconds', {}, (clock.monotonicMs() - startedMs) / 1_000);
      metrics.observe('featuremesh_chunk_rows', {}, chunkRowCount(chunk.body));
      return outcome;
    },
  };
  return overlay(log, observed as Partial<Log>);
}

function tracedAppend(log: ChangeLog, tracing: Tracing): (chunk: ChunkAppend) => Promise<AppendOutcome> {
  return chunk => {
    if (tracing.sampledTrace() === undefined) return log.append(chunk);
    const { groupId, version, body } = chunk;
    const attributes = {
      'featuremesh.group': groupId,
      'featuremesh.version': version,
      'featuremesh.rows': chunkRowCount(body),
    };
    return tracing.inside('log.append', attributes, () => {
      const traceparent = tracing.sampledTrace();
      return log.append(traceparent === undefined ? chunk : { ...chunk, traceparent });
    });
  };
}
