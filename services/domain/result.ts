import type { Problem } from './problem.ts';

/** The outcome of an operation that may fail for a reason its caller must handle. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

/** A successful result. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** A failed result. */
export function fail<T>(problem: Problem): Result<T> {
  return { ok: false, problem };
}
