import type { HttpProblem } from '@featuremesh/contracts/http-problem';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import type { FastifyReply } from 'fastify';

/** Media type of every error answer (RFC 9457). */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

/** A problem as the body of an error answer; its extra members ride along. */
function problemBody({ code, detail, issues, extra }: Problem): HttpProblem {
  const { title, http, retryable } = ERRORS[code];
  return {
    ...extra,
    type: `urn:featuremesh:problem:${code}`,
    title,
    status: http,
    code,
    detail,
    retryable,
    ...(issues === undefined ? {} : { issues: issues.map(issue => ({ ...issue })) }),
  };
}

/** When a caller may try again where the problem does not say: long enough for a lease or a reconnect. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

/** Sends a problem with its status; what may be retried carries `Retry-After`, from `retryAfterMs` among the extra members. */
export function sendProblem(reply: FastifyReply, reason: Problem): FastifyReply {
  const stated = reason.extra?.['retryAfterMs'];
  const retryAfterMs = typeof stated === 'number' ? stated : DEFAULT_RETRY_AFTER_MS;
  if (ERRORS[reason.code].retryable)
    reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1_000))));
  return reply.code(ERRORS[reason.code].http).type(PROBLEM_MEDIA_TYPE).send(problemBody(reason));
}

const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_JSON_BODY: 'MALFORMED_JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'MALFORMED_JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_REQUEST',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  // The client left while it was sending; nobody reads the answer.
  ECONNRESET: 'INVALID_REQUEST',
};

const DETAILS: Partial<Record<ErrorCode, string>> = {
  BODY_TOO_LARGE: 'the body is larger than this call takes',
  MALFORMED_JSON: 'the body is not valid JSON',
  UNSUPPORTED_MEDIA_TYPE: 'send application/json',
  NOT_FOUND: 'the address is malformed',
};

/** The problem of anything thrown while a request was handled; undefined for what nobody foresaw. Never repeats a message. */
export function foreseen(error: unknown): Problem | undefined {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof SyntaxError) return problem('MALFORMED_JSON', 'the body is not valid JSON');
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const code = FASTIFY_CODES[error.code];
  return code === undefined ? undefined : problem(code, DETAILS[code] ?? ERRORS[code].title);
}
