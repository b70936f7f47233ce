import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { changes, comparison, comparisonTable } from './comparison.ts';
import { appendResult, lastResults, resultOf } from './results.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'featuremesh-results-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const run = { figure: 'slate-read', profile: 'embedded', seconds: 10 };
const result = (variant: string, values: Record<string, number>) => resultOf({ variant, values }, run);

test('the newest result of each variant is found again, torn lines are passed over', () => {
  appendResult(result('a', { p99Ms: 9 }), folder);
  appendResult(result('b', { p99Ms: 5 }), folder);
  appendResult(result('a', { p99Ms: 7 }), folder);
  appendFileSync(join(folder, 'slate-read.jsonl'), '{"at":"2026"}\n');
  appendFileSync(join(folder, 'slate-read.jsonl'), '{"at":"20');
  const last = lastResults('slate-read', folder);
  expect([...last].map(([variant, { values }]) => [variant, values])).toEqual([
    ['a', { p99Ms: 7 }],
    ['b', { p99Ms: 5 }],
  ]);
  expect(lastResults('memory', folder).size).toBe(0);
});

test('a result says where, when and of which commit it was made, also in a clone that has no results yet', () => {
  const { machine, commit, at } = result('a', {});
  expect(machine.cores).toBeGreaterThan(0);
  const isClone = existsSync(new URL('../../.git', import.meta.url));
  expect(commit).toMatch(isClone ? /^[0-9a-f]{7,}\+?$/ : /^unknown$/);
  expect(Date.parse(at)).toBeGreaterThan(0);
});

const verdicts = (before: Record<string, number>, now: Record<string, number>) =>
  changes(result('a', before), result('a', now)).map(({ name, ratio, verdict }) => [name, ratio, verdict]);

test('more a second is better, more milliseconds are worse, a rate that was asked for is neither', () => {
  expect(
    verdicts(
      { rowsPerS: 100, p99Ms: 10, askedPerS: 50, failed: 0 },
      { rowsPerS: 150, p99Ms: 30, askedPerS: 60, failed: 0 },
    ),
  ).toEqual([
    ['rowsPerS', 1.5, 'better'],
    ['p99Ms', 3, 'worse'],
    ['askedPerS', 1.2, 'neutral'],
  ]);
});

test('what may be chance is no change, and a share of the limit judges in place of the rate', () => {
  expect(verdicts({ rowsPerS: 100, p99Ms: 4 }, { rowsPerS: 80, p99Ms: 6.9 })).toEqual([
    ['rowsPerS', 0.8, 'noise'],
    ['p99Ms', 1.73, 'noise'],
  ]);
  expect(verdicts({ requestsPerS: 100, ofEcho: 0.5 }, { requestsPerS: 50, ofEcho: 0.49 })).toEqual([
    ['requestsPerS', 0.5, 'neutral'],
    ['ofEcho', 0.98, 'noise'],
  ]);
  expect(verdicts({ requestsPerS: 100, ofEcho: 0.5 }, { requestsPerS: 100, ofEcho: 0.4 })[1]).toEqual([
    'ofEcho',
    0.8,
    'worse',
  ]);
});

test('the table has a line a value, marks what is worse, and names another machine', () => {
  const before = result('a', { rowsPerS: 100 });
  const now = result('a', { rowsPerS: 60 });
  expect(comparisonTable([comparison(before, now)])).toMatch(/slate-read a +rowsPerS +100 +60 +0\.60 +WORSE/);
  const elsewhere = { ...before, machine: { ...before.machine, cores: before.machine.cores + 1 } };
  expect(comparisonTable([comparison(elsewhere, now)])).toContain('other machine');
});
