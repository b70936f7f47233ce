import { seededRandom } from '@featuremesh/runtime/random';
import { expect, test } from 'vitest';
import type { OpenSnapshot } from '../ports/feed.ts';
import { MAX_OPEN_SNAPSHOTS, SNAPSHOT_PATIENCE_MS } from './limits.ts';
import { OpenSnapshots } from './open-snapshots.ts';

function setUp() {
  const world = { nowMs: 1_000_000, asked: [] as OpenSnapshot[] };
  const open = new OpenSnapshots({
    clock: { nowMs: () => world.nowMs, nowUs: () => BigInt(world.nowMs) * 1_000n },
    random: seededRandom('open snapshots'),
    requestSnapshot: async request => {
      world.asked.push(request);
    },
  });
  return { world, open };
}

const group = (groupId: string, version = 1) => ({ groupId, version });

test('what was turned away is asked for when it becomes permitted, and not before', async () => {
  const { world, open } = setUp();
  open.missed(group('a'));
  open.missed(group('a'));
  open.missed(group('b'));
  await open.remind([]);
  await open.remind([group('a', 2)]);
  expect(world.asked).toEqual([]);
  expect(open.awaits('a')).toBe(true);
  expect(open.awaitsAny([group('c')])).toBe(false);
  await open.remind([group('a')]);
  expect(world.asked.map(request => request.groups)).toEqual([[group('a')]]);
  expect(open.awaitsAny([group('a')])).toBe(true);
});

test('a snapshot is asked for again while nothing of it comes, and no more once its last page is here', async () => {
  const { world, open } = setUp();
  await open.request([group('a'), group('b')], 'gap');
  const [request] = world.asked;
  if (request === undefined) throw new Error('not asked');
  const permitted = [group('a'), group('b')];
  await open.remind(permitted);
  expect(world.asked).toHaveLength(1);
  world.nowMs += SNAPSHOT_PATIENCE_MS;
  await open.remind(permitted);
  expect(world.asked[1]?.requestId).toBe(request.requestId);
  world.nowMs += SNAPSHOT_PATIENCE_MS - 1;
  open.touched(request.requestId);
  world.nowMs += SNAPSHOT_PATIENCE_MS - 1;
  await open.remind(permitted);
  expect(world.asked).toHaveLength(2);
  open.finished(request.requestId, group('a'));
  expect([open.awaits('a'), open.awaits('b')]).toEqual([false, true]);
  open.finished(request.requestId, group('b'));
  expect(open.list()).toEqual([]);
});

test('what stands in the stored cursor is asked for at once after a restart', async () => {
  const { world, open } = setUp();
  open.restore([{ requestId: 'kept', groups: [group('a')] }]);
  await open.remind([group('a')]);
  expect(world.asked).toEqual([{ requestId: 'kept', groups: [group('a')] }]);
});

test('the cursor stays small: more requests than may be open are merged, and no group is forgotten', async () => {
  const { open } = setUp();
  const names = Array.from({ length: MAX_OPEN_SNAPSHOTS * 2 }, (_, at) => `g${at}`);
  for (const [at, name] of names.entries()) {
    if (at % 2 === 0) await open.request([group(name)], 'gap');
    else open.missed(group(name));
  }
  expect(open.list()).toHaveLength(MAX_OPEN_SNAPSHOTS);
  expect(names.every(name => open.awaits(name))).toBe(true);
});
