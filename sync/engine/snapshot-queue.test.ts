import { expect, test } from 'vitest';
import { MAX_QUEUED_SNAPSHOTS } from './limits.ts';
import { SnapshotQueue } from './snapshot-queue.ts';

const groups = (...ids: string[]) => ids.map(groupId => ({ groupId, version: 1 }));

test('groups are served one behind the other, page by page, with the watermarks of the first page', () => {
  const queue = new SnapshotQueue();
  queue.add({ requestId: 'r', groups: groups('a', 'b') });
  const first = queue.due(0);
  expect(first).toMatchObject({ groupId: 'a', after: undefined });
  if (first === undefined) throw new Error('nothing due');
  queue.advance(first, 'key', []);
  const second = queue.due(0);
  expect(second).toMatchObject({ groupId: 'a', after: 'key', watermarks: [] });
  if (second === undefined) throw new Error('nothing due');
  queue.advance(second, undefined, []);
  expect(queue.due(0)).toMatchObject({ groupId: 'b' });
});

test('a request that is asked again is not served twice, and too many are declined', () => {
  const queue = new SnapshotQueue();
  for (let at = 0; at < MAX_QUEUED_SNAPSHOTS; at++)
    expect(queue.add({ requestId: `r${at}`, groups: groups('a') })).toBe(true);
  expect(queue.add({ requestId: 'r0', groups: groups('a') })).toBe(true);
  expect(queue.add({ requestId: 'more', groups: groups('a') })).toBe(false);
  let served = 0;
  for (let turn = queue.due(0); turn !== undefined; turn = queue.due(0)) {
    served++;
    queue.drop(turn);
  }
  expect(served).toBe(MAX_QUEUED_SNAPSHOTS);
  expect(queue.isOwing()).toBe(false);
});

test('one that is put off does not hold up the others, and comes when its time has come', () => {
  const queue = new SnapshotQueue();
  queue.add({ requestId: 'r', groups: groups('a', 'b') });
  const a = queue.due(100);
  if (a === undefined) throw new Error('nothing due');
  queue.defer(a, 300);
  const b = queue.due(100);
  expect(b).toMatchObject({ groupId: 'b' });
  if (b === undefined) throw new Error('nothing due');
  queue.advance(b, undefined, []);
  expect(queue.due(299)).toBeUndefined();
  expect(queue.isOwing()).toBe(true);
  expect(queue.due(300)).toBe(a);
});
