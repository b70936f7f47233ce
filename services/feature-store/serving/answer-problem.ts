import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { AnswerProblem, RedirectCandidate } from '@featuremesh/domain/online-answer';
import type { Problem } from '@featuremesh/domain/problem';

/** A problem as a part of an answer carries it; candidates pass only where the problem offers some. */
export function answerProblem(reason: Problem, region: string | null): AnswerProblem {
  const candidates = reason.extra?.['candidates'];
  return {
    code: reason.code,
    region,
    retryable: ERRORS[reason.code].retryable,
    detail: reason.detail,
    ...(isCandidates(candidates) ? { candidates } : {}),
  };
}

function isCandidates(value: unknown): value is readonly RedirectCandidate[] {
  return (
    Array.isArray(value) &&
    value.every(
      item => typeof item === 'object' && item !== null && 'region' in item && 'publicGatewayUrl' in item,
    )
  );
}
