import { ProblemError } from '@featuremesh/domain/problem';

/** True where a step was refused because another process holds the lease now. */
export function isStaleLease(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.code === 'STALE_LEASE';
}

/** True where the store did not answer at all: a lease asked for is neither given out nor lost. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.code === 'STORE_UNAVAILABLE';
}
