import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Clock, MonotonicClock } from './clock.ts';

const NOW_MS = Date.parse('2026-07-01T12:00:00Z');
const HOUR_MS = 3_600_000;
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fm-clock-'));
  file = join(folder, 'clock-offset-ms');
  vi.useFakeTimers({ now: NOW_MS, toFake: ['Date', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** The machine's clock as a process has it that is started with this variable. */
async function clockOf(offsetFile: string): Promise<Clock & MonotonicClock> {
  vi.stubEnv('FEATUREMESH_CLOCK_OFFSET_FILE', offsetFile);
  vi.resetModules();
  return (await import('./clock.ts')).systemClock;
}

test('without a drill the wall clock is the machine’s, in both units', async () => {
  writeFileSync(file, String(HOUR_MS));
  const clock = await clockOf('');
  expect([clock.nowMs(), clock.nowUs()]).toEqual([NOW_MS, BigInt(NOW_MS) * 1_000n]);
});

test('in a drill it is wrong by what the file says, and looked up again at least every 100 ms', async () => {
  const clock = await clockOf(file);
  expect(clock.nowMs()).toBe(NOW_MS);
  writeFileSync(file, String(HOUR_MS));
  vi.advanceTimersByTime(100);
  expect([clock.nowMs(), clock.nowUs()]).toEqual([
    NOW_MS + 100 + HOUR_MS,
    BigInt(NOW_MS + 100 + HOUR_MS) * 1_000n,
  ]);
  writeFileSync(file, `${-HOUR_MS}\n`);
  vi.advanceTimersByTime(100);
  expect(clock.nowMs()).toBe(NOW_MS + 200 - HOUR_MS);
  rmSync(file);
  vi.advanceTimersByTime(100);
  expect(clock.nowMs()).toBe(NOW_MS + 300);
});

test('between two looks the offset stays, so that the hot path reads no file', async () => {
  writeFileSync(file, '1000');
  const clock = await clockOf(file);
  expect(clock.nowMs()).toBe(NOW_MS + 1_000);
  writeFileSync(file, '9000');
  vi.advanceTimersByTime(99);
  expect(clock.nowMs()).toBe(NOW_MS + 99 + 1_000);
});

test('what is no number is no offset, fractions are cut, and durations are never wrong', async () => {
  const clock = await clockOf(file);
  const startedMs = clock.monotonicMs();
  for (const [text, offsetMs] of [
    ['soon', 0],
    ['Infinity', 0],
    ['', 0],
    ['12.9', 12],
    ['-12.9', -12],
  ] as const) {
    writeFileSync(file, text);
    vi.advanceTimersByTime(100);
    expect([text, clock.nowMs() - Date.now()]).toEqual([text, offsetMs]);
  }
  expect(clock.monotonicMs() - startedMs).toBe(500);
});
