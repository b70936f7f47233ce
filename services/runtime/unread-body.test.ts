import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { systemTimer } from './timer.ts';
import { forgetBody } from './unread-body.ts';

const PART = Buffer.alloc(1024 * 1024);

/** A body of so many parts, after which it ends or stays open. */
function bodyOf(parts: number, ends = true): Readable & { given: number } {
  const body = Object.assign(
    new Readable({
      read() {
        if (body.given < parts) {
          body.given += 1;
          this.push(PART);
        } else if (ends) this.push(null);
      },
    }),
    { given: 0 },
  );
  return body;
}

test('a body is read to its end', async () => {
  const body = bodyOf(20);
  await forgetBody(body, systemTimer);
  expect([body.given, body.readableEnded]).toEqual([20, true]);
  await forgetBody(body, systemTimer);
});

test('one that is endless is left after a bound of bytes, one that stalls after a bound of time', async () => {
  const endless = bodyOf(Number.POSITIVE_INFINITY);
  await forgetBody(endless, systemTimer);
  expect(endless.given).toBeGreaterThan(64);
  expect(endless.given).toBeLessThan(200);
  endless.destroy();
  let waitedMs = 0;
  const timer = {
    ...systemTimer,
    sleep: (ms: number) => {
      waitedMs = ms;
      return Promise.resolve();
    },
  };
  await forgetBody(bodyOf(0, false), timer);
  expect(waitedMs).toBe(2_000);
});
