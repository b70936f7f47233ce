import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { changeLine, changes } from './comparison.ts';
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

test('a result says where and when it was made', () => {
  const { machine, commit, at } = result('a', {});
  expect(machine.cores).toBeGreaterThan(0);
  expect(commit).toMatch(/^([0-9a-f]{7,}\+?|unknown)$/);
  expect(Date.parse(at)).toBeGreaterThan(0);
});

test('more a second is better, more milliseconds are worse, a rate that was asked for is neither', () => {
  const before = result('a', { rowsPerS: 100, p99Ms: 10, askedPerS: 50, failed: 0 });
  const now = result('a', { rowsPerS: 120, p99Ms: 12, askedPerS: 60, failed: 0 });
  expect(changes(before, now).map(({ name, percent, better }) => [name, percent, better])).toEqual([
    ['rowsPerS', 20, true],
    ['p99Ms', 20, false],
    ['askedPerS', 20, undefined],
  ]);
  expect(changeLine(before, now)).toContain('rowsPerS 100 → 120 (+20 % better)');
  const elsewhere = { ...before, machine: { ...before.machine, cores: before.machine.cores + 1 } };
  expect(changeLine(elsewhere, now)).toContain('another machine');
});
