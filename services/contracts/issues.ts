import type { Issue } from '@featuremesh/domain/problem';
import type { z } from 'zod';

/** The issues of a failed parse with paths such as `rows[3].key`; unknown members are named, values never repeated. */
export function issuesOf(error: z.ZodError): Issue[] {
  return error.issues.map(issue => ({ path: pathText(issue.path), message: issue.message }));
}

/** `rows[3].key` from `['rows', 3, 'key']`; empty for the root. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}
