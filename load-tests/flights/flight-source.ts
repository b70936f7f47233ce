/** Consecutive flights in the order in which they left, as columns of one length. */
export interface FlightPage {
  /** Position of the first one among all flights of the source. */
  readonly first: number;
  readonly count: number;
  /** When each left by the source's clock, ms since the epoch, strictly increasing: flights of one minute stand 1 ms apart. */
  readonly leftMs: Float64Array;
  readonly delaysMin: Int32Array;
  readonly distancesMi: Int32Array;
  readonly origins: readonly string[];
  readonly destinations: readonly string[];
}

/** An airport; city and state are null where the source has none. */
export interface Airport {
  readonly code: string;
  readonly name: string;
  readonly city: string | null;
  readonly state: string | null;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** Flights that can be read from any position, and the airports between which they go. */
export interface FlightSource {
  /** How many flights there are. */
  readonly total: number;
  /** At most `count` flights from position `first`, fewer at the end. */
  page(first: number, count: number): Promise<FlightPage>;
  /** Position of the first flight that left at or after the minute of `leftMs`; `total` where none did. */
  firstAtOrAfter(leftMs: number): Promise<number>;
  airports(): Promise<readonly Airport[]>;
  close(): void;
}
