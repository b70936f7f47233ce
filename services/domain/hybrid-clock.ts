/**
 * An accepted stamp: physical time in microseconds, a counter within it, and the node slot of the accepting process.
 * Unique in a region, never going back within a process (A3). Encoded as 12 bytes, big-endian, so that bytes compare as time.
 */
export interface AcceptedStamp {
  readonly physicalUs: bigint;
  readonly counter: number;
  readonly slot: number;
}
