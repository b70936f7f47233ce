import { ProblemError } from '@featuremesh/domain/problem';
import { expect, test } from 'vitest';
import { InFlightGate } from './in-flight-gate.ts';

const never = new AbortController().signal;

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );

test('work beyond the bound waits, first come first served, and beyond both bounds is refused with a time to retry', async () => {
  const gate = new InFlightGate({ maxInFlight: 2, maxWaiting: 3 });
  const begun: number[] = [];
  const release: (() => void)[] = [];
  const work = (at: number): Promise<void> => {
    begun.push(at);
    return new Promise(resolve => release.push(resolve));
  };
  const all = [0, 1, 2, 3, 4].map(at => gate.run(() => work(at), never));
  expect([begun, gate.waiting]).toEqual([[0, 1], 3]);
  const refused = gate.run(() => work(5), never);
  await expect(refused).rejects.toMatchObject({
    problem: { code: 'OVERLOADED', extra: { retryAfterMs: expect.any(Number) } },
  });
  for (let at = 0; at < 5; at += 1) {
    release[at]?.();
    await all[at];
    await Promise.resolve();
  }
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(gate.waiting).toBe(0);
});

test('a failure gives its room on, and what waited past its deadline is not begun', async () => {
  const gate = new InFlightGate({ maxInFlight: 1, maxWaiting: 10 });
  let fail = (): void => undefined;
  const first = gate.run(
    () =>
      new Promise((_, reject) => {
        fail = () => reject(new Error('broken'));
      }),
    never,
  );
  const deadline = new AbortController();
  let begun = 0;
  const late = gate.run(async () => {
    begun += 1;
  }, deadline.signal);
  const last = gate.run(async () => 'done', never);
  deadline.abort();
  fail();
  expect(await codeOf(first)).toBe('Error: broken');
  expect(await codeOf(late)).toBe('STORE_UNAVAILABLE');
  expect(await last).toBe('done');
  expect(begun).toBe(0);
});

test('rooms are never lost or made over many waits', async () => {
  const gate = new InFlightGate({ maxInFlight: 8, maxWaiting: 5_000 });
  let inFlight = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await Promise.resolve();
    inFlight -= 1;
  };
  for (let round = 0; round < 3; round += 1)
    await Promise.all(Array.from({ length: 4_000 }, () => gate.run(work, never)));
  expect([inFlight, most, gate.waiting]).toEqual([0, 8, 0]);
});
