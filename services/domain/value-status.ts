/**
 * What a served value is (A4). OUTSIDE_MAX_AGE: there is a row, older than the max age.
 * UNAVAILABLE and REFUSED: the part was not read, so nothing is known about the row; they never stand for "missing".
 */
export const VALUE_STATUSES = [
  'PRESENT',
  'NULL_VALUE',
  'NOT_FOUND',
  'OUTSIDE_MAX_AGE',
  'UNAVAILABLE',
  'REFUSED',
] as const;

/** One of the value statuses. */
export type ValueStatus = (typeof VALUE_STATUSES)[number];
