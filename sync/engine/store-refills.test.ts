import { regionId } from '@featuremesh/domain/region-id';
import { createLogger } from '@featuremesh/runtime/logger';
import { expect, test } from 'vitest';
import type { GroupVersion } from '../ports/region-service.ts';
import { REFILL_INTERVAL_MS } from './limits.ts';
import { StoreRefills } from './store-refills.ts';

const peer = regionId('eu-west-1');
const logger = createLogger({}, { level: 'error', stream: { write: () => undefined } });
const GROUP = { groupId: 'g', version: 1 };
const OTHER = { groupId: 'h', version: 2 };

function world() {
  const told: unknown[] = [];
  const at = { nowMs: 0, owed: [] as readonly GroupVersion[], applied: false, down: false };
  const refills = new StoreRefills({
    peer,
    service: {
      owedRefills: async () => {
        if (at.down) throw new Error('no answer');
        return at.owed;
      },
      refilled: async report => {
        told.push(report);
        return at.applied;
      },
    },
    clock: { nowMs: () => at.nowMs, nowUs: () => 0n },
    logger,
  });
  /** One turn of the importer's loop, long enough after the one before that the service is asked. */
  const turn = async (importable: readonly GroupVersion[] = [GROUP, OTHER]) => {
    at.nowMs += REFILL_INTERVAL_MS;
    const before = refills.take(importable);
    await new Promise(resolve => setImmediate(resolve));
    return [...before, ...refills.take(importable)];
  };
  return { at, told, refills, turn };
}

test('what is owed is asked for once, as far as it may be imported', async () => {
  const { at, turn } = world();
  expect(await turn()).toEqual([]);
  at.owed = [GROUP, OTHER];
  expect(await turn([GROUP])).toEqual([GROUP]);
  expect(await turn([GROUP])).toEqual([]);
  expect(await turn()).toEqual([OTHER]);
});

test('the service is told of the end until it has applied it, and only of what was asked for', async () => {
  const { at, told, refills, turn } = world();
  refills.arrived(OTHER, 3);
  at.owed = [GROUP];
  await turn();
  refills.arrived(GROUP, 9);
  await turn();
  expect(await turn()).toEqual([]);
  at.applied = true;
  at.owed = [];
  await turn();
  await turn();
  expect(told).toEqual(Array.from({ length: 3 }, () => ({ peer, ...GROUP, throughSequence: 9 })));
});

test('a store that is lost again, and a snapshot that was declined, are asked for again; a silent service is not waited for', async () => {
  const { at, refills, turn } = world();
  at.owed = [GROUP];
  expect(await turn()).toEqual([GROUP]);
  refills.declined();
  expect(await turn()).toEqual([GROUP]);
  at.down = true;
  expect(await turn()).toEqual([]);
  at.down = false;
  refills.arrived(GROUP, 9);
  at.applied = true;
  expect(await turn()).toEqual([GROUP]);
});
