import { createLogger } from '@featuremesh/runtime/logger';
import { beforeEach, expect, test } from 'vitest';
import type { LinkProgress } from '../ports/change-log.ts';
import { LagTracker } from './lag-tracker.ts';

let report: (progress: LinkProgress) => void;
let poll: () => Promise<void>;
let applied: number;
let storeFails: boolean;
let nowMs: number;
let lag: LagTracker;

beforeEach(() => {
  applied = 0;
  storeFails = false;
  nowMs = 1_000;
  lag = new LagTracker({
    log: {
      feedEpoch: 'e1',
      onProgress: listener => {
        report = listener;
      },
    },
    store: { watermark: async () => (storeFails ? Promise.reject(new Error('down')) : applied) },
    clock: { nowMs: () => nowMs, nowUs: () => 0n },
    timer: {
      sleep: async () => undefined,
      every: (_, task) => {
        poll = async () => task();
        return { stop: () => undefined };
      },
    },
    logger: createLogger({}, { level: 'silent' }),
  });
  lag.start();
});

test('lag is unknown until a report is applied, then it is the age of what is known', async () => {
  expect(lag.lagMs('eu')).toBeNull();
  report({ peer: 'eu', knownAsOfMs: 900, throughSequence: 5 });
  expect(lag.lagMs('eu')).toBeNull();
  applied = 5;
  await poll();
  expect(lag.lagMs('eu')).toBe(100);
  expect(lag.lagMs('us')).toBeNull();
  nowMs = 1_300;
  expect(lag.lagMs('eu')).toBe(400);
});

test('a report that is not applied lets the lag grow from the last one that is', async () => {
  applied = 5;
  await poll();
  report({ peer: 'eu', knownAsOfMs: 900, throughSequence: 5 });
  report({ peer: 'eu', knownAsOfMs: 980, throughSequence: 7 });
  expect(lag.lagMs('eu')).toBe(100);
  applied = 7;
  await poll();
  expect(lag.lagMs('eu')).toBe(20);
});

test('S6: a peer whose clock is ahead has no negative lag and never one of 0: rows may have been accepted since', async () => {
  report({ peer: 'eu', knownAsOfMs: 5_000, throughSequence: 0 });
  expect(lag.lagMs('eu')).toBe(1);
  report({ peer: 'eu', knownAsOfMs: 6_000, throughSequence: 3 });
  expect(lag.lagMs('eu')).toBe(1);
});

test('while the store does not answer lag is unknown', async () => {
  report({ peer: 'eu', knownAsOfMs: 900, throughSequence: 0 });
  storeFails = true;
  await poll();
  expect(lag.lagMs('eu')).toBeNull();
  storeFails = false;
  await poll();
  expect(lag.lagMs('eu')).toBe(100);
});

test('reports that wait are bounded, and the oldest of them decides', async () => {
  report({ peer: 'eu', knownAsOfMs: 100, throughSequence: 1 });
  for (let at = 2; at < 10_000; at += 1) report({ peer: 'eu', knownAsOfMs: 100 + at, throughSequence: at });
  applied = 1;
  await poll();
  expect(lag.lagMs('eu')).toBe(900);
});
