import { issuesOf } from '@featuremesh/contracts/issues';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { z } from 'zod';

/** Parses a body, query or parameters; throws a ProblemError INVALID_REQUEST with every issue and its path. */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown, what = 'the body'): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ProblemError(
    problem('INVALID_REQUEST', `${what} does not have the documented shape`, {
      issues: issuesOf(parsed.error),
    }),
  );
}
