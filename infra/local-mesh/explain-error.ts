import { nextStep } from '@featuremesh/cli/next-step';
import { ProblemError } from '@featuremesh/domain/problem';
import { ComponentMissing } from '../components/component-missing.ts';

/** Exit status where something on the machine stands in the way, as `fmesh` and the bootstrap have it. */
export const EXIT_REFUSED = 3;

/** What a person reads of an operating error: code, places, what to do next. Anything else is a defect and thrown on. */
export function explainError(error: unknown): string {
  if (error instanceof ComponentMissing) return `${error.message}\n`;
  if (!(error instanceof ProblemError)) throw error;
  const { code, detail, issues } = error.problem;
  const next = nextStep(code);
  const places = issues?.map(issue => `\n  ${issue.path}: ${issue.message}`).join('') ?? '';
  return `${code}: ${detail}${places}\n${next === undefined ? '' : `  Next: ${next}\n`}`;
}
