import { encodeLinkMessage, encodeLinkRows, rowHashSum } from '@featuremesh/contracts/link-batch-codec';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { EAST, linkState, SHARED_GROUP, WEST } from '@featuremesh/testkit/links/link-world';
import { expect, test } from 'vitest';
import { compilePolicy } from '../policy-compiler/compile.ts';
import type { HeldEntry, HeldReason } from '../ports/feed.ts';
import { HeldBatches } from './held-rows.ts';
import { HELD_INTERVAL_MS, MAX_HELD_PER_PASS } from './limits.ts';

const NOW_MS = Date.parse('2026-06-01T00:00:00Z');
const HOUR_MS = 3_600_000;
const policy = compilePolicy(linkState(WEST, 1, ['shared']), NOW_MS);

/** A held batch of one row, an hour ahead of NOW_MS, of a version that the importer knows or not. */
function batch(linkSeq: number, version = 1): Uint8Array {
  const row = testRow({ eventTimeUs: BigInt(NOW_MS + HOUR_MS) * 1_000n, origin: EAST, payload: 'x' });
  const rows = [{ key: testKey(String(linkSeq)), row }];
  const at = { linkEpoch: 'one', linkSeq, previousHash: '0'.repeat(64) };
  const group = { groupId: SHARED_GROUP.id, version, schemaHash: '', policyEpoch: '' };
  const rest = { origin: EAST, feedEpoch: 'f', appenders: {}, clockMinUs: '0', clockMaxUs: '0', sentAtMs: 0 };
  const counts = { rows: 1, rowHashSum: rowHashSum(rows) };
  const envelope = {
    protocolVersion: 1 as const,
    kind: 'live' as const,
    ...at,
    ...group,
    ...rest,
    ...counts,
  };
  return encodeLinkMessage({ envelope, body: encodeLinkRows(rows) });
}

/** HELD as a list, and an importer's look at it. */
function world() {
  const kept: Omit<HeldEntry, 'release'>[] = [];
  const clock = { ms: NOW_MS };
  const stored: string[] = [];
  const held = new HeldBatches({
    peer: EAST,
    policy: () => policy,
    clock: { nowMs: () => clock.ms, nowUs: () => BigInt(clock.ms) * 1_000n },
    sink: {
      held: async (_, { after, limit }) =>
        kept
          .filter(({ position }) => position > after)
          .slice(0, limit)
          .map(entry => ({
            ...entry,
            release: async () => void kept.splice(kept.indexOf(entry), 1),
          })),
    },
  });
  return {
    kept,
    clock,
    stored,
    held,
    hold: (count: number, reason: HeldReason, version = 1) => {
      for (let n = 0; n < count; n++) {
        const linkSeq = (kept.at(-1)?.linkSeq ?? 0) + 1;
        const bytes = reason === 'poison' ? new Uint8Array([1]) : batch(linkSeq, version);
        kept.push({ peer: EAST, linkEpoch: 'one', linkSeq, reason, position: linkSeq, bytes });
        held.add();
      }
    },
    look: () =>
      held.look({
        store: async ({ rows }) => void stored.push(rows?.groupId ?? ''),
        released: () => undefined,
        refused: () => undefined,
      }),
  };
}

test('all batches set aside are released, however many came while a clock was slow', async () => {
  const { kept, clock, stored, held, hold, look } = world();
  const many = MAX_HELD_PER_PASS * 3 + 5;
  hold(many, 'future-event-time');
  expect(await look()).toBe(0);
  expect(held.count).toBe(many);
  clock.ms += HOUR_MS;
  for (let looks = 0; held.count > 0 && looks < 20; looks++) {
    await look();
    clock.ms += 100;
  }
  expect([kept.length, stored.length, held.count]).toEqual([0, many, 0]);
  // Pages that move are read one after the other; only what the first look had passed waits for the next round.
  expect(clock.ms - NOW_MS - HOUR_MS).toBeLessThan(2 * HELD_INTERVAL_MS);
});

test('none counts as gone before the end was seen, also where the first page was all that a restart knew of', async () => {
  const { clock, held, hold, look } = world();
  hold(MAX_HELD_PER_PASS + 1, 'future-event-time');
  clock.ms += HOUR_MS;
  await held.restore();
  await look();
  expect(held.count).toBeGreaterThan(0);
  await look();
  expect(held.count).toBeGreaterThan(0);
  await look();
  expect(held.count).toBe(0);
});

test('what stays hides nothing behind it: poison, and batches of a version that is not known yet', async () => {
  const { kept, clock, held, hold, look } = world();
  hold(MAX_HELD_PER_PASS, 'poison');
  hold(MAX_HELD_PER_PASS, 'unknown-version', 9);
  hold(3, 'future-event-time');
  clock.ms += HOUR_MS;
  for (let n = 0; n < 8; n++) {
    await look();
    clock.ms += HELD_INTERVAL_MS;
  }
  expect(kept.filter(({ reason }) => reason === 'future-event-time')).toEqual([]);
  expect(kept.length).toBe(MAX_HELD_PER_PASS * 2);
  expect(held.count).toBeGreaterThanOrEqual(MAX_HELD_PER_PASS);
});
