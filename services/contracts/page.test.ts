import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Page, pageOf } from './page.ts';

const max = 200;
const keyOf = (item: string): string => item;

function pageAt(items: readonly string[], first: number, after: string | null): Page<string> {
  const page = pageOf({ items, keyOf, first, max, after });
  if (!page.ok) throw new Error(page.problem.detail);
  return page.value;
}

function pages(items: readonly string[], first: number): string[][] {
  const found: string[][] = [];
  let after: string | null = null;
  for (let guard = 0; guard <= items.length + 1; guard += 1) {
    const page: Page<string> = pageAt(items, first, after);
    found.push([...page.nodes]);
    if (!page.pageInfo.hasNextPage) return found;
    after = page.pageInfo.endCursor;
  }
  throw new Error('the pages do not end');
}

test('following the cursors gives every item once, sorted, in pages of the asked size', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 7 }),
      (items, first) => {
        const found = pages(items, first);
        expect(found.flat()).toEqual(items.toSorted((a, b) => (a < b ? -1 : 1)));
        for (const page of found.slice(0, -1)) expect(page).toHaveLength(first);
      },
    ),
  );
});

test('an item that goes between two pages makes no other item appear twice or not at all', () => {
  const items = ['a', 'b', 'c', 'd'];
  const page = pageOf({ items, keyOf, first: 2, max });
  const after = page.ok ? page.value.pageInfo.endCursor : null;
  const next = pageOf({ items: ['a', 'c', 'd'], keyOf, first: 2, max, after });
  expect(next.ok && next.value.nodes).toEqual(['c', 'd']);
});

test('a cursor of nothing and a size beyond the bound are refused', () => {
  for (const request of [
    { first: 1, after: 'zz' },
    { first: 1, after: '' },
    { first: -1 },
    { first: max + 1 },
    { first: 1.5 },
  ]) {
    const page = pageOf({ items: ['a'], keyOf, max, ...request });
    expect(page.ok ? 'a page' : page.problem.code).toBe('INVALID_REQUEST');
  }
});
