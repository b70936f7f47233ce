/**
 * Names of watermarks and leases in the online store. Watermarks count one log's sequences, so the log's epoch is part of their
 * name: a log that was lost and made anew is read from its start.
 */
export const ownWatermark = (slot: number, feedEpoch: string): string => `own.${slot}@${feedEpoch}`;

/** Watermark of what was imported. */
export const importsWatermark = (feedEpoch: string): string => `imports@${feedEpoch}`;

/** Lease of the process that appends and applies under a slot. */
export const slotLease = (slot: number): string => `slot.${slot}`;

/** Lease of the region's active projector. */
export const PROJECTOR_LEASE = 'projector';
