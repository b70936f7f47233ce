import { systemTimer } from '@featuremesh/runtime/timer';
import { expect, test } from 'vitest';
import { Mailbox } from './mailbox.ts';

const never = new AbortController().signal;

test('what is there is given at once, in order', async () => {
  const mailbox = new Mailbox<number>(systemTimer);
  mailbox.put(1);
  mailbox.put(2);
  expect(await mailbox.next(60_000, never)).toBe(1);
  expect(await mailbox.next(60_000, never)).toBe(2);
});

test('one who waits is woken by what comes, and not held beyond the wait or an abort', async () => {
  const mailbox = new Mailbox<number>(systemTimer);
  const waiting = mailbox.next(60_000, never);
  mailbox.put(7);
  expect(await waiting).toBe(7);
  expect(await mailbox.next(5, never)).toBeUndefined();
  const stop = new AbortController();
  const aborted = mailbox.next(60_000, stop.signal);
  stop.abort();
  expect(await aborted).toBeUndefined();
  expect(await mailbox.next(60_000, stop.signal)).toBeUndefined();
});

test('what comes between two waits is not lost', async () => {
  const mailbox = new Mailbox<number>(systemTimer);
  expect(await mailbox.next(1, never)).toBeUndefined();
  mailbox.put(3);
  expect(await mailbox.next(1, never)).toBe(3);
});
