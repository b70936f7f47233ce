import type { ErrorCode } from './error-catalogue.ts';

/** One place in an input that is wrong; `path` is like `features/airports.yaml:12 featureGroups[0].name` or `rows[3].key`. */
export interface Issue {
  readonly path: string;
  readonly message: string;
  readonly code?: ErrorCode;
}

/** An operating error as a value: a code of the catalogue, what happened in words, and where. Never holds an entity key. */
export interface Problem {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly issues?: readonly Issue[];
  /** Extra members of the answer, such as `candidates`, `region`, `publicUrl`, `retryAfterMs`. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Carries a problem through layers that only pass it on; caught once, at the edge. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(`${problem.code}: ${problem.detail}`, options);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** Builds a problem in one line. */
export function problem(
  code: ErrorCode,
  detail: string,
  more: Omit<Problem, 'code' | 'detail'> = {},
): Problem {
  return { code, detail, ...more };
}
