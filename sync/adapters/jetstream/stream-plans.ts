import type { FeedLimits } from '@featuremesh/contracts/region-config';
import { MAX_LINK_BATCHES_IN_FLIGHT } from '@featuremesh/domain/limits';
import {
  CTL_STREAM,
  CURSOR_STREAM,
  cursorSubject,
  FEED_EPOCH_METADATA,
  FEED_STREAM,
  HELD_STREAM,
  LINK_DURABLE,
  LINK_EPOCH_METADATA,
  OUT_LINK_SUBJECT,
  OUT_STREAM,
} from '@featuremesh/domain/subjects';
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';

const NANOS_PER_MS = 1_000_000;
const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;

/** Window in which the broker itself knows a message id again: covers races only (A2). */
const DUPLICATE_WINDOW_MS = 120_000;
/** Batches set aside are few; when this is full importers stop rather than lose one. */
const HELD_MAX_BYTES = GIB;
/** An unacknowledged batch is sent again after this long; an importer's patience with a gap is twice that. */
const OUT_ACK_WAIT_MS = 2_000;
/** A control message that got lost on its way holds up all that follow; the importer says meanwhile that it works on one. */
const CTL_ACK_WAIT_MS = 2_000;

type Plan = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** The region's log: refuses what is not listed and, when full, everything; forgets by age alone (A2). */
export function feedPlan(options: {
  subjects: readonly string[];
  feedEpoch: string;
  replicas: number;
  limits: FeedLimits;
}): Plan {
  return {
    name: FEED_STREAM,
    subjects: [...options.subjects],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    ...feedBounds(options.limits),
    duplicate_window: DUPLICATE_WINDOW_MS * NANOS_PER_MS,
    num_replicas: options.replicas,
    allow_direct: true,
    metadata: { [FEED_EPOCH_METADATA]: options.feedEpoch },
  };
}

/** FEED's limits as the broker takes them. */
export function feedBounds({ maxBytes, maxAgeHours }: FeedLimits): { max_bytes: number; max_age: number } {
  return { max_bytes: maxBytes, max_age: maxAgeHours * HOUR_MS * NANOS_PER_MS };
}

/** Imported batches set aside, one message each. */
export function heldPlan(replicas: number): Plan {
  return {
    name: HELD_STREAM,
    subjects: ['HELD.>'],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_bytes: HELD_MAX_BYTES,
    max_msgs_per_subject: 1,
    discard_new_per_subject: true,
    num_replicas: replicas,
  };
}

/** Rows for one peer. Not a work queue: the newest batch stays after its acknowledgement, because a restart needs its hash. */
export function outPlan(options: { subjects: readonly string[]; linkEpoch: string; replicas: number }): Plan {
  return {
    name: OUT_STREAM,
    subjects: [OUT_LINK_SUBJECT, ...options.subjects],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    num_replicas: options.replicas,
    metadata: { [LINK_EPOCH_METADATA]: options.linkEpoch },
  };
}

/** Control messages for one peer: gone when acknowledged. */
export function ctlPlan(replicas: number): Plan {
  return {
    name: CTL_STREAM,
    subjects: ['CTL.*'],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
    num_replicas: replicas,
  };
}

/** How far each group was shipped to one peer. */
export function cursorPlan(replicas: number): Plan {
  return {
    name: CURSOR_STREAM,
    subjects: [cursorSubject('*')],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    max_msgs_per_subject: 1,
    num_replicas: replicas,
  };
}

/** The one durable of OUT: a bounded number of batches on their way. */
export const OUT_DURABLE: Partial<ConsumerConfig> = {
  durable_name: LINK_DURABLE,
  ack_policy: AckPolicy.Explicit,
  ack_wait: OUT_ACK_WAIT_MS * NANOS_PER_MS,
  deliver_policy: DeliverPolicy.All,
  max_ack_pending: MAX_LINK_BATCHES_IN_FLIGHT,
  max_deliver: -1,
};

/** The one durable of CTL: one in flight, so that order holds. */
export const CTL_DURABLE: Partial<ConsumerConfig> = {
  durable_name: LINK_DURABLE,
  ack_policy: AckPolicy.Explicit,
  ack_wait: CTL_ACK_WAIT_MS * NANOS_PER_MS,
  deliver_policy: DeliverPolicy.All,
  max_ack_pending: 1,
  max_deliver: -1,
};
