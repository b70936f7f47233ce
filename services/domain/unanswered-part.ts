import { ERRORS } from './error-catalogue.ts';
import type { AnswerProblem, FeatureMatrix, RedirectCandidate } from './online-answer.ts';
import type { Problem } from './problem.ts';
import type { PlannedRead } from './read-plan.ts';

/** A problem as an answer's part carries it: code, region, retryability, detail and candidates; nothing else of `extra` leaks. */
export function answerProblem(problem: Problem, region: string | null): AnswerProblem {
  const candidates = problem.extra?.['candidates'] as readonly RedirectCandidate[] | undefined;
  return {
    code: problem.code,
    region,
    retryable: ERRORS[problem.code].retryable,
    detail: problem.detail,
    ...(candidates === undefined ? {} : { candidates }),
  };
}

/** The result of a part that was not read: null columns, UNAVAILABLE where it may work later, else REFUSED; never NOT_FOUND (V5). */
export function unansweredPart(read: PlannedRead, problem: Problem): FeatureMatrix {
  const status = ERRORS[problem.code].retryable ? 'UNAVAILABLE' : 'REFUSED';
  return {
    group: read.group,
    ...(read.as === undefined ? {} : { as: read.as }),
    version: read.version,
    region: read.region,
    ...(read.rowIndex === null ? {} : { rowIndex: read.rowIndex }),
    names: read.names,
    columns: null,
    statuses: read.names.map(() => status),
    eventTimes: null,
    problem: answerProblem(problem, read.region),
  };
}
