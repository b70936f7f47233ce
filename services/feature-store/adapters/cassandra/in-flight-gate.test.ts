import { ProblemError } from '@featuremesh/domain/problem';
import { expect, test } from 'vitest';
import { MAX_READ_WAIT_MS } from './cassandra-options.ts';
import { InFlightGate } from './in-flight-gate.ts';

const never = new AbortController().signal;
let nowMs = 0;
const clock = { monotonicMs: () => nowMs };

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );

test('work beyond the bound waits, first come first served, and beyond both bounds is refused with a time to retry', async () => {
  const gate = new InFlightGate(clock, { maxInFlight: 2, maxWaiting: 3 });
  const begun: number[] = [];
  const release: (() => void)[] = [];
  const work = (at: number): Promise<void> => {
    begun.push(at);
    return new Promise(resolve => release.push(resolve));
  };
  const all = [0, 1, 2, 3, 4].map(at => gate.run(() => work(at), { expired: never }));
  expect([begun, gate.waiting]).toEqual([[0, 1], 3]);
  const refused = gate.run(() => work(5), { expired: never });
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
  const gate = new InFlightGate(clock, { maxInFlight: 1, maxWaiting: 10 });
  let fail = (): void => undefined;
  const first = gate.run(
    () =>
      new Promise((_, reject) => {
        fail = () => reject(new Error('broken'));
      }),
    { expired: never },
  );
  const deadline = new AbortController();
  let begun = 0;
  const late = gate.run(
    async () => {
      begun += 1;
    },
    { expired: deadline.signal },
  );
  const last = gate.run(async () => 'done', { expired: never });
  deadline.abort();
  fail();
  expect(await codeOf(first)).toBe('Error: broken');
  expect(await codeOf(late)).toBe('STORE_UNAVAILABLE');
  expect(await last).toBe('done');
  expect(begun).toBe(0);
});

test('a lease does not wait behind rows, and takes no room from them', async () => {
  const gate = new InFlightGate(clock, { maxInFlight: 1, maxWaiting: 10 });
  const order: string[] = [];
  let release = (): void => undefined;
  const first = gate.run(
    () =>
      new Promise<void>(resolve => {
        release = resolve;
      }),
    { expired: never },
  );
  const second = gate.run(async () => void order.push('row'), { expired: never });
  await gate.run(async () => void order.push('lease'), { expired: never, as: 'control' });
  expect([order, gate.inFlight, gate.waiting]).toEqual([['lease'], 1, 1]);
  release();
  await Promise.all([first, second]);
  expect([order, gate.inFlight]).toEqual([['lease', 'row'], 0]);
});

test('rooms are never lost or made over many waits', async () => {
  const gate = new InFlightGate(clock, { maxInFlight: 8, maxWaiting: 5_000 });
  let inFlight = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await Promise.resolve();
    inFlight -= 1;
  };
  for (let round = 0; round < 3; round += 1)
    await Promise.all(Array.from({ length: 4_000 }, () => gate.run(work, { expired: never })));
  expect([inFlight, most, gate.waiting]).toEqual([0, 8, 0]);
});

test('a read is refused once the oldest waiting read is late, and taken again when it is not; writes wait on', async () => {
  const gate = new InFlightGate(clock, { maxInFlight: 1, maxWaiting: 100 });
  const release: (() => void)[] = [];
  const order: string[] = [];
  const work = (name: string) => (): Promise<void> => {
    order.push(name);
    return new Promise(resolve => release.push(resolve));
  };
  const read = (name: string) => gate.run(work(name), { expired: never, as: 'read' });
  const write = (name: string) => gate.run(work(name), { expired: never });
  const all = [write('w0'), write('w1'), write('w2'), ...[1, 2, 3, 4].map(at => read(`r${at}`))];
  nowMs += MAX_READ_WAIT_MS + 1;
  expect(await codeOf(read('late'))).toBe('OVERLOADED');
  all.push(write('w3'));
  for (let at = 0; at < 7; at += 1) {
    release[at]?.();
    await new Promise(setImmediate);
    if (at === 4) all.push(read('r5'));
  }
  for (let at = 7; at < 9; at += 1) {
    release[at]?.();
    await new Promise(setImmediate);
  }
  await Promise.all(all);
  expect(order).toEqual(['w0', 'r1', 'r2', 'r3', 'w1', 'r4', 'r5', 'w2', 'w3']);
});

test('a statement takes as many rooms as it has rows, and passes all of them on', async () => {
  const gate = new InFlightGate(clock, { maxInFlight: 10, maxWaiting: 10 });
  const begun: string[] = [];
  const release: (() => void)[] = [];
  const work = (name: string, rooms: number): Promise<void> =>
    gate.run(
      () => {
        begun.push(name);
        return new Promise(resolve => release.push(resolve));
      },
      { expired: never, as: 'read', rooms },
    );
  // The last one that finds a room may be larger than it.
  const large = [work('large', 6), work('second', 6)];
  const small = ['a', 'b', 'c'].map(name => work(name, 1));
  expect([begun, gate.inFlight, gate.waiting]).toEqual([['large', 'second'], 12, 3]);
  release[0]?.();
  await large[0];
  await Promise.resolve();
  expect([begun.slice(2), gate.inFlight, gate.waiting]).toEqual([['a', 'b', 'c'], 9, 0]);
  for (const done of release) done();
  await Promise.all([...large, ...small]);
  expect(gate.inFlight).toBe(0);
});
