/** Round trips between the demo's regions in ms, as the contract has them: coast to coast, across the Atlantic, both. */
const DEMO_ROUND_TRIPS: readonly (readonly [a: string, b: string, ms: number])[] = [
  ['us-east-1', 'us-west-2', 65],
  ['us-east-1', 'eu-west-1', 75],
  ['us-west-2', 'eu-west-1', 140],
];

/** Every other pair: between two continents, roughly. */
const OTHER_ROUND_TRIP_MS = 150;

/** Round trip in ms that `--wan demo` puts between two regions, the same in both directions. */
export function demoRoundTripMs(one: string, other: string): number {
  const known = DEMO_ROUND_TRIPS.find(([a, b]) => (a === one && b === other) || (a === other && b === one));
  return known?.[2] ?? OTHER_ROUND_TRIP_MS;
}
