import { checkMaxAge, checkOrder, checkReadAfter } from './answers.ts';
import { checkConvergence, checkDurability, checkWholeRows } from './convergence.ts';
import type { Checker } from './evidence.ts';
import { checkExpiry } from './expiry.ts';
import { checkForgotten, checkNeverKnown, checkNotRevived, checkTold } from './known-names.ts';
import { checkGaps, checkProgress, checkWatermarks } from './progress.ts';
import { checkResidency } from './residency.ts';

/** Every invariant that a simulated run is judged by. */
export const CHECKERS: readonly Checker[] = [
  checkConvergence,
  checkWholeRows,
  checkDurability,
  checkProgress,
  checkGaps,
  checkWatermarks,
  checkResidency,
  checkNeverKnown,
  checkForgotten,
  checkNotRevived,
  checkTold,
  checkMaxAge,
  checkOrder,
  checkReadAfter,
  checkExpiry,
];
