import { tableName } from '@featuremesh/domain/subjects';
import type { TableRef } from '../ports/online-store.ts';

/**
 * Names of watermarks and leases in the online store. Watermarks count one log's sequences, so the log's epoch is part of their
 * name: a log that was lost and made anew is read from its start.
 */
export const ownWatermark = (slot: number, feedEpoch: string): string => `own.${slot}@${feedEpoch}`;

/** Watermark of what was imported. */
export const importsWatermark = (feedEpoch: string): string => `imports@${feedEpoch}`;

/** One more than the sequence up to which every copy of the store has what the log holds; 0 while nobody has looked yet. */
export const copiesWatermark = (feedEpoch: string): string => `copies@${feedEpoch}`;

/** Lease of the process that appends and applies under a slot. */
export const slotLease = (slot: number): string => `slot.${slot}`;

/** Lease of the region's active projector. */
export const PROJECTOR_LEASE = 'projector';

/** Watermark of when the last sweep of a table began that reached its end, ms since the Unix epoch. */
export const sweptWatermark = ({ groupId, version, generation }: TableRef): string =>
  `swept@${tableName(groupId, version, generation)}`;

/** Lease of the process that removes expired rows. */
export const SWEEPER_LEASE = 'retention-sweeper';
