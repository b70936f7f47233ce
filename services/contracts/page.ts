import { problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';

/** One page of a sorted list. */
export interface Page<T> {
  readonly nodes: readonly T[];
  readonly totalCount: number;
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** How to page: items sorted by a unique key, `first` of them after the cursor. */
export interface PageRequest<T> {
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  readonly first: number;
  /** Most items of one page. */
  readonly max: number;
  readonly after?: string | null | undefined;
}

/** Cuts a page. The cursor holds the last key, so that pages stay right while items come and go. INVALID_REQUEST for a bad cursor or size. */
export function pageOf<T>({ items, keyOf, first, max, after }: PageRequest<T>): Result<Page<T>> {
  if (!Number.isInteger(first) || first < 0 || first > max)
    return fail(problem('INVALID_REQUEST', `\`first\` must be between 0 and ${max}`));
  const afterKey = after == null ? '' : decodeCursor(after);
  if (afterKey === undefined) return fail(problem('INVALID_REQUEST', '`after` is not a cursor of this list'));
  const sorted = items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const rest = sorted.filter(item => keyOf(item) > afterKey);
  const nodes = rest.slice(0, first);
  const last = nodes.at(-1);
  return ok({
    nodes,
    totalCount: items.length,
    pageInfo: {
      hasNextPage: rest.length > nodes.length,
      endCursor: last === undefined ? null : encodeCursor(keyOf(last)),
    },
  });
}

function encodeCursor(key: string): string {
  return Buffer.from(`k:${key}`).toString('base64url');
}

function decodeCursor(cursor: string): string | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  return text.startsWith('k:') && encodeCursor(text.slice(2)) === cursor ? text.slice(2) : undefined;
}
