import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const spec = readFileSync(join(root, 'sync/SPEC.md'), 'utf8');
const named = [...spec.matchAll(/^- `([\w./-]+\.ts)`: (.+)$/gm)].map(([, file = '', words = '']) => ({
  file,
  words,
}));

test('every test and checker that the specification names exists', () => {
  expect(named.length).toBeGreaterThan(20);
  const missing = named.filter(
    ({ file, words }) =>
      !existsSync(join(root, file)) || !readFileSync(join(root, file), 'utf8').includes(words),
  );
  expect(missing).toEqual([]);
});

test('every invariant of sync is stated, once, and has a test', () => {
  const sections = spec.split(/^\*\*(?=[SRCM]\d)/m).slice(1);
  const names = sections.map(section => /^([SRCM]\d+)\*\*/.exec(section)?.[1]);
  const numbered = (letter: string, length: number) =>
    Array.from({ length }, (_, at) => `${letter}${at + 1}`);
  const expected = [
    ...numbered('S', 10),
    ...numbered('R', 4),
    'R8',
    ...numbered('C', 5),
    ...numbered('M', 3),
  ];
  expect(names).toEqual(expected);
  expect(sections.filter(section => !/^- `/m.test(section))).toEqual([]);
});

test('a test that speaks of an invariant by number is of one that is stated', () => {
  const unstated = named.flatMap(({ file }) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/\(((?:[SR]\d+)(?:, [SRV]\d+)*)\)'/g)].flatMap(
      ([, list = '']) => list.split(', ').filter(name => /^S/.test(name) && !spec.includes(`**${name}**`)),
    ),
  );
  expect(unstated).toEqual([]);
});
