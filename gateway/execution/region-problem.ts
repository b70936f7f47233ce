import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import type { AnswerProblem } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { z } from 'zod';

/** Another copy may answer although this region will keep saying no: its catalogue or policy is behind. */
const BEHIND: ReadonlySet<ErrorCode> = new Set([
  'MISROUTED',
  'UNKNOWN_GROUP',
  'UNKNOWN_VERSION',
  'UNKNOWN_FEATURE',
]);
/** What could be an address or a path: scheme, IPv4, IPv6 in brackets, port, absolute path. */
const ADDRESS = /:\/\/|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]{2,}\]|localhost|:\d{2,5}\b|(?:^|\s)\/[\w.-]+\//i;
const MAX_DETAIL_CHARACTERS = 300;
/** Public addresses of gateways, the only addresses that an answer may hold (interfaces). */
const CANDIDATES = z.array(
  z.object({ region: z.string().max(24), publicGatewayUrl: z.url({ protocol: /^https?$/ }).max(300) }),
);

/** True where the text is a code of the catalogue. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

/** True where another permitted copy should be tried. */
export function mayFailOver(code: ErrorCode): boolean {
  return ERRORS[code].retryable || BEHIND.has(code);
}

/** A detail that may leave the gateway: the text, unless it could hold an internal address or is overlong; then the code's title. */
export function safeDetail(code: ErrorCode, detail: unknown): string {
  const usable =
    typeof detail === 'string' && detail.length <= MAX_DETAIL_CHARACTERS && !ADDRESS.test(detail);
  return usable ? detail : ERRORS[code].title;
}

/** What a region said went wrong, as a problem of ours: code from the catalogue, checked detail and candidates, the region's id; nothing else passes. */
export function problemFromRegion(
  said: { code?: unknown; detail?: unknown; candidates?: unknown },
  region: RegionId,
): Problem {
  if (!isErrorCode(said.code))
    return problem('REGION_UNAVAILABLE', `${region} could not answer`, { extra: { region } });
  const candidates = CANDIDATES.safeParse(said.candidates);
  return problem(said.code, safeDetail(said.code, said.detail), {
    extra: { region, ...(candidates.success ? { candidates: candidates.data } : {}) },
  });
}

/** A problem as it may leave the gateway: its detail checked, its code, region and candidates kept. */
export function safeProblem(reason: Problem): Problem {
  return { ...reason, detail: safeDetail(reason.code, reason.detail) };
}

/** The problem of an answer's part as a problem again, to be told in another form. */
export function problemAgain({ code, detail, region, candidates }: AnswerProblem): Problem {
  return problem(isErrorCode(code) ? code : 'INTERNAL', detail ?? '', {
    extra: { ...(region === null ? {} : { region }), ...(candidates === undefined ? {} : { candidates }) },
  });
}
