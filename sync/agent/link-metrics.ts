import { chunkRowCount, firstChunkRow } from '@featuremesh/domain/feed-chunk';
import { readHeader } from '@featuremesh/domain/packed-row';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { overlay } from '@featuremesh/runtime/overlay';
import type { FeedSink, ImportAppend } from '../ports/feed.ts';
import type { LinkIn, LinkOut } from '../ports/link.ts';

/** An outgoing link that counts the rows, bytes and snapshots which it was told to store for the peer, and the snapshots asked of it. */
export function measuredOut(out: LinkOut, peer: string, metrics: Metrics): LinkOut {
  return overlay(out, {
    publish: async (message, traceparent) => {
      const outcome = await out.publish(message, traceparent);
      const { groupId, rows, snapshot } = message.envelope;
      if (outcome !== 'stored') return outcome;
      if (rows > 0)
        metrics.count('featuremesh_link_rows_total', { peer, direction: 'out', group: groupId }, rows);
      metrics.count('featuremesh_link_bytes_total', { peer, direction: 'out' }, message.body.length);
      if (snapshot?.last === true)
        metrics.count('featuremesh_link_snapshots_total', { peer, direction: 'out' });
      return outcome;
    },
    publishControl: async message => {
      await out.publishControl(message);
      if (message.kind === 'snapshot-request')
        metrics.count('featuremesh_link_snapshots_total', { peer, direction: 'in' }, message.groups.length);
    },
  });
}

/** An incoming link that counts the bytes which it received, repeats included. */
export function measuredIn(link: LinkIn, peer: string, metrics: Metrics): LinkIn {
  return overlay(link, {
    nextBatch: async (waitMs, signal) => {
      const received = await link.nextBatch(waitMs, signal);
      const bytes = received?.message?.body.length ?? 0;
      if (bytes > 0) metrics.count('featuremesh_link_bytes_total', { peer, direction: 'in' }, bytes);
      return received;
    },
  });
}

/** A sink that counts the rows which it stored by peer and group, and how long the oldest of a batch was on its way. */
export function measuredSink(sink: FeedSink, metrics: Metrics, clock: Clock): FeedSink {
  return overlay(sink, {
    append: async message => {
      const outcome = await sink.append(message);
      if (outcome.kind === 'stored') noteImport(message, metrics, clock);
      return outcome;
    },
  });
}

function noteImport({ peer, rows, appenders }: ImportAppend, metrics: Metrics, clock: Clock): void {
  if (rows === undefined) return;
  const { groupId: group, body } = rows;
  metrics.count('featuremesh_link_rows_total', { peer, direction: 'in', group }, chunkRowCount(body));
  // A snapshot's rows may be years old, which says nothing of the link.
  const isLive = Object.keys(appenders).length > 0;
  const first = isLive ? firstChunkRow(body) : undefined;
  if (first === undefined) return;
  const acceptedAtMs = Number(readHeader(first).stamp.physicalUs) / 1_000;
  const delaySeconds = Math.max(0, clock.nowMs() - acceptedAtMs) / 1_000;
  metrics.gauge('featuremesh_link_group_delay_seconds', { peer, group }, delaySeconds);
}
