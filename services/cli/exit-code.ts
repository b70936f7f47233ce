import type { ErrorCode } from '@featuremesh/domain/error-catalogue';
import { ERRORS } from '@featuremesh/domain/error-catalogue';

/** Exit statuses of `fmesh`; scripts rely on them, so they only grow. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  invalid: 3,
  refused: 4,
  unreachable: 5,
  partly: 6,
  notYetSupported: 7,
  conflict: 8,
} as const;

/** One of the documented exit statuses. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The table of exit statuses as `--help` shows it. */
export const EXIT_CODES_HELP = `Exit status:
  0  done
  1  an unexpected error
  2  the command line is wrong
  3  the input is not valid (a definition, a row, a policy, a configuration)
  4  refused by policy or by permission
  5  the region does not answer
  6  done in part (some rows rejected, some parts unanswered, something is not healthy)
  7  not supported yet
  8  something changed meanwhile, or a newer version exists`;

const REFUSED = new Set<ErrorCode>([
  'WRITE_REFUSED_BY_POLICY',
  'RESIDENCY_DENIED',
  'RESIDENCY_REDIRECT',
  'INVALID_SIGNATURE',
  'NOT_AN_OFFICER',
  'POLICY_NOT_APPROVED',
]);

/** The exit status that belongs to an error of the catalogue. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  if (code === 'NOT_YET_SUPPORTED') return EXIT.notYetSupported;
  if (code === 'INTERNAL') return EXIT.unexpected;
  if (REFUSED.has(code)) return EXIT.refused;
  const { http } = ERRORS[code];
  if (http >= 500 || http === 429) return EXIT.unreachable;
  if (http === 401 || http === 403) return EXIT.refused;
  if (http === 409) return EXIT.conflict;
  return EXIT.invalid;
}
