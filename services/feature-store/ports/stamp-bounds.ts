import type { LeaseRef } from './online-store.ts';

/**
 * Keeps, per node slot, a time that every stamp handed out so far lies before (A3), so that no stamp is given out twice across
 * restarts. It lives in the region's store, where a slot's lease fences it.
 */
export interface StampBounds {
  /** Microseconds since the Unix epoch; 0 where the slot has none. */
  stampBoundUs(slot: number): Promise<bigint>;
  /** Raises the bound, never lowers it; durable when it resolves. Rejects with STALE_LEASE where the lease has another epoch. */
  raiseStampBound(bound: { slot: number; upToUs: bigint; lease: LeaseRef }): Promise<void>;
}
