import { expect, test } from 'vitest';
import type { FeedChunk, FeedSource } from '../ports/feed.ts';
import type { LinkOut, ShipCursor } from '../ports/link.ts';
import { GroupTails } from './group-tails.ts';

const A = 'aaaaaaaaaaaaaaaa';
const B = 'bbbbbbbbbbbbbbbb';
const exported = (...ids: string[]) =>
  ids.map(groupId => ({ groupId, version: 1, schemaHash: '', policyEpoch: '' }));
const chunk = (groupId: string, sequence: number, appender = 0): FeedChunk => ({
  sequence,
  groupId,
  version: 1,
  appender,
  body: new Uint8Array(),
});

/** A log of chunks and stored cursors, in memory. */
function setUp(log: FeedChunk[], first = 1) {
  const bounds = { first, last: log.at(-1)?.sequence ?? first - 1 };
  const cursors = new Map<string, ShipCursor>();
  const feed: FeedSource = {
    feedEpoch: 'e1',
    bounds: async () => ({ ...bounds }),
    arrival: async () => undefined,
    tail: async (groupId, after) => {
      const rest = log.filter(one => one.groupId === groupId && one.sequence > after);
      return {
        peek: () => rest[0],
        take: () => rest.shift(),
        drained: async () => rest.length === 0,
        close: async () => undefined,
      };
    },
  };
  const out: Pick<LinkOut, 'cursors' | 'saveCursor'> = {
    cursors: async () => cursors,
    saveCursor: async (groupId, cursor) => {
      cursors.set(groupId, cursor);
    },
  };
  return { cursors, bounds, tails: new GroupTails(feed, out as LinkOut) };
}

test('groups take turns, so that a backlog of one does not keep the other waiting', async () => {
  const { tails } = setUp([chunk(A, 1), chunk(A, 2), chunk(A, 3), chunk(B, 4)]);
  await tails.follow(exported(A, B));
  const order: string[] = [];
  for (let tail = tails.next(); tail !== undefined; tail = tails.next())
    order.push(tail.take()?.groupId ?? '');
  expect(order.indexOf(B)).toBeLessThanOrEqual(1);
  expect(order).toHaveLength(4);
  expect(await tails.audit()).toBe(true);
});

test('a cursor covers what was shipped, and a session goes on behind it', async () => {
  const { tails, cursors } = setUp([chunk(A, 1), chunk(A, 2), chunk(A, 3)]);
  await tails.follow(exported(A));
  const first = tails.next()?.take();
  if (first === undefined) throw new Error('nothing to ship');
  tails.shipped(A, [first]);
  await tails.saveCursors();
  expect(cursors.get(A)).toEqual({ feedEpoch: 'e1', sequence: 1 });
  await tails.close();
  await tails.follow(exported(A));
  expect(tails.next()?.peek()?.sequence).toBe(2);
});

test('a group that leaves is named and forgotten, so that it begins anew when it comes back', async () => {
  const { tails, cursors } = setUp([chunk(A, 1), chunk(B, 2)]);
  await tails.follow(exported(A, B));
  tails.shipped(B, [chunk(B, 2)]);
  expect(await tails.follow(exported(A))).toEqual([B]);
  expect(cursors.get(B)).toEqual({ feedEpoch: '', sequence: 0 });
  await tails.follow(exported(A, B));
  expect(tails.next()).toBeDefined();
  expect(tails.overrun()).toEqual([]);
});

test('where the log no longer holds what the cursor has not passed, a snapshot is due, once', async () => {
  const { tails, cursors } = setUp([chunk(A, 9)], 9);
  cursors.set(A, { feedEpoch: 'e1', sequence: 4 });
  await tails.follow(exported(A));
  expect(tails.overrun()).toMatchObject([{ groupId: A }]);
  expect(tails.overrun()).toEqual([]);
});

test('a cursor of another log counts for nothing', async () => {
  const { tails, cursors } = setUp([chunk(A, 1)]);
  cursors.set(A, { feedEpoch: 'of a lost log', sequence: 500 });
  await tails.follow(exported(A));
  expect(tails.next()?.peek()?.sequence).toBe(1);
});

test('a store counts as level only where it has applied the last shipped chunk of every appender', async () => {
  const { tails, cursors } = setUp([chunk(A, 11), chunk(A, 12, 1)]);
  cursors.set(A, { feedEpoch: 'e1', sequence: 10 });
  await tails.follow(exported(A));
  expect(tails.isApplied(A, [])).toBe(false);
  expect(tails.isApplied(A, [{ appender: 0, sequence: 10 }])).toBe(true);
  tails.shipped(A, [chunk(A, 11), chunk(A, 12, 1)]);
  expect(tails.isApplied(A, [{ appender: 0, sequence: 11 }])).toBe(false);
  expect(tails.isApplied(A, [{ appender: 1, sequence: 12 }])).toBe(false);
  expect(
    tails.isApplied(A, [
      { appender: 0, sequence: 11 },
      { appender: 1, sequence: 12 },
    ]),
  ).toBe(true);
});

test('a rewound group is shipped from the start of the log again, also by the session after this one', async () => {
  const { tails, cursors } = setUp([chunk(A, 1), chunk(A, 2), chunk(B, 3)]);
  await tails.follow(exported(A, B));
  const taken: FeedChunk[] = [];
  for (let tail = tails.next(); tail !== undefined; tail = tails.next()) {
    const one = tail.take();
    if (one === undefined) continue;
    taken.push(one);
    tails.shipped(one.groupId, [one]);
  }
  expect(taken).toHaveLength(3);
  await tails.rewind([A]);
  // A cursor that was due is not stored over the rewound one.
  await tails.saveCursors();
  expect(cursors.get(A)).toEqual({ feedEpoch: '', sequence: 0 });
  expect(cursors.get(B)).toEqual({ feedEpoch: 'e1', sequence: 3 });
  await tails.follow(exported(A, B));
  expect(tails.next()?.take()).toEqual(chunk(A, 1));
});

test('the cursor of a group stays while something of it is owed that a restart would forget', async () => {
  const { tails, cursors } = setUp([chunk(A, 9)], 5);
  await tails.follow(exported(A));
  const one = tails.next()?.take();
  if (one === undefined) throw new Error('nothing to ship');
  tails.shipped(A, [one]);
  expect(tails.overrun()).toMatchObject([{ groupId: A }]);
  await tails.saveCursors(groupId => groupId === A);
  expect(cursors.get(A)).toBeUndefined();
  await tails.saveCursors();
  expect(cursors.get(A)).toEqual({ feedEpoch: 'e1', sequence: 9 });
});

test('chunks that the log forgot while nobody read them are noticed, though the tail shows no hole', async () => {
  const { tails, cursors, bounds } = setUp([chunk(A, 1), chunk(A, 9)]);
  await tails.follow(exported(A));
  expect(await tails.audit()).toBe(false);
  // Chunks 2 to 8 go by age before the tail has read them: what it gives next looks like the next one.
  bounds.first = 9;
  for (let tail = tails.next(); tail !== undefined; tail = tails.next()) {
    const one = tail.take();
    if (one !== undefined) tails.shipped(A, [one]);
  }
  expect(await tails.audit()).toBe(false);
  await tails.saveCursors();
  expect(cursors.get(A)).toBeUndefined();
  expect(tails.overrun()).toMatchObject([{ groupId: A }]);
  expect(await tails.audit()).toBe(true);
  await tails.saveCursors();
  expect(cursors.get(A)).toEqual({ feedEpoch: 'e1', sequence: 9 });
});

test('a group without news owes no snapshot, however far the log moves on', async () => {
  const { tails, bounds } = setUp([chunk(A, 1)]);
  await tails.follow(exported(A));
  const one = tails.next()?.take();
  if (one === undefined) throw new Error('nothing to ship');
  tails.shipped(A, [one]);
  expect(await tails.audit()).toBe(true);
  for (let turn = 1; turn <= 5; turn++) {
    // What others wrote comes and goes; the log keeps what came since the audit before the last one.
    bounds.first = Math.max(1, bounds.last - 100);
    bounds.last += 100;
    expect(await tails.audit()).toBe(true);
  }
  expect(tails.overrun()).toEqual([]);
});
