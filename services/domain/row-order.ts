/**
 * The row order (A3) of two packed rows of one key: unsigned byte order of the whole, a prefix being less. Positive: `a` wins.
 * The header's layout makes this compare event time, created time, stamp, origin, rest.
 */
export function compareRows(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** True where `candidate` replaces what is stored: nothing, or a lesser row. An equal row does not (S2). */
export function wins(candidate: Uint8Array, stored: Uint8Array | undefined): boolean {
  return stored === undefined || compareRows(candidate, stored) > 0;
}
