/** What is looked for, in the shapes that features and entity keys have. */
export type NeedleValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'int64'; readonly int64: bigint }
  | { readonly kind: 'float64'; readonly float64: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'vector'; readonly float32: readonly number[] };

/** A value that stands nowhere by chance, and where it may stand. Logs, metrics, traces and errors may hold it nowhere. */
export interface Needle {
  /** What it is, in words that may be printed; never the value. Distinct in one search. */
  readonly name: string;
  readonly value: NeedleValue;
  /** Regions whose stores and streams may hold it; it may travel on links between two of them. */
  readonly placement: readonly string[];
  /** Regions whose gateways may pass it to and from a region of the placement: the gateway set of its row's region. */
  readonly gateways: readonly string[];
}

/** Whether a region's stores and streams may hold it. */
export function isPlacedIn({ placement }: Needle, region: string): boolean {
  return placement.includes(region);
}
