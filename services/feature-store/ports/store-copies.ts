/** How the nodes of a store stand that keeps copies of every row, as this process sees them. */
export interface CopyStates {
  /** Names of the nodes that are away now. */
  readonly away: readonly string[];
  /** How often a node went since this process began to look: two looks that differ in it have missed an absence. */
  readonly departures: number;
}

/** What a store on several nodes can say beside `OnlineStore`: a node that was away lacks what its cluster did not keep for it. */
export interface StoreCopies {
  copies(): CopyStates;
}
