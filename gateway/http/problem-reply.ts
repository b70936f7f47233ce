import type { HttpProblem } from '@featuremesh/contracts/http-problem';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import type { FastifyReply } from 'fastify';
import { safeDetail } from '../execution/region-problem.ts';
import { PROBE_INTERVAL_MS } from '../limits.ts';

/** Media type of every error answer (RFC 9457). */
const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

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

/** When a caller may try again: by then a probe has looked at the regions. */
const RETRY_AFTER_SECONDS = String(Math.ceil(PROBE_INTERVAL_MS / 1_000));

/** Sends a problem with its status; what may be retried says when; its extra members (region, candidates) ride along, its detail is checked for addresses. */
export function sendProblem(reply: FastifyReply, reason: Problem): FastifyReply {
  const { code, detail, issues, extra } = reason;
  const { title, http, retryable } = ERRORS[code];
  const body: HttpProblem = {
    ...extra,
    type: `urn:featuremesh:problem:${code}`,
    title,
    status: http,
    code,
    detail: safeDetail(code, detail),
    retryable,
    ...(issues === undefined ? {} : { issues: issues.map(issue => ({ ...issue })) }),
  };
  if (retryable) reply.header('retry-after', RETRY_AFTER_SECONDS);
  return reply.code(http).type(PROBLEM_MEDIA_TYPE).send(body);
}

/** The problem of what was thrown while a request was handled; undefined for what nobody foresaw. Never repeats a message. */
export function foreseen(error: unknown): Problem | undefined {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof SyntaxError) return problem('MALFORMED_JSON', ERRORS.MALFORMED_JSON.title);
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const code = FASTIFY_CODES[error.code];
  return code === undefined ? undefined : problem(code, ERRORS[code].title);
}
