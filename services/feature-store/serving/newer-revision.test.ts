import { KeyEncoder } from '@featuremesh/domain/entity-key';
import type { CatalogueGroup, FeatureDefinition } from '@featuremesh/domain/feature-group';
import { RowPacker } from '@featuremesh/domain/row-packer';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemTimer } from '@featuremesh/runtime/timer';
import { testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { expect, test } from 'vitest';
import { CurrentView } from './state-view.ts';
import { TicketReader } from './ticket-reader.ts';

const [a, b] = ['a', 'b'].map(
  (name): FeatureDefinition => ({
    name,
    type: { kind: 'scalar', scalar: 'float64' },
    nullable: true,
  }),
) as [FeatureDefinition, FeatureDefinition];
const first = testGroup({ features: [a] });
const second: CatalogueGroup = {
  ...first,
  revision: 2,
  definition: { ...first.definition, features: [b, a] },
  revisions: [[a], [b, a]],
};
const table = { groupId: first.id, version: 1, generation: 1 };
const everyone = { jurisdictions: 'all', purposes: 'all' } as const;

/** A reader whose process knows the first revision, over a store that holds a row of each; `learns` is what a look brings. */
async function reader(learns: readonly CatalogueGroup[]) {
  const store = new MemoryOnlineStore();
  await store.ensureTables([table]);
  const encoder = new KeyEncoder(first.joinKeys);
  for (const [group, key, values] of [
    [first, 'old', { a: 1 }],
    [second, 'new', { a: 2, b: 3 }],
  ] as const) {
    const packer = new RowPacker(group.definition.features, group.revision, group.definition.homeRegion);
    const stamp = { physicalUs: 1n, counter: group.revision, slot: 0 };
    const row = packer.pack({ eventTimeUs: 0n, createdTimeUs: 0n, stamp }, values, { nonFinite: 'refuse' });
    const encoded = encoder.encode({ k: key });
    if (!row.ok || !encoded.ok) throw new Error('a row that packs');
    await store.apply({ table, rows: [{ key: encoded.value, row: row.value }] });
  }
  let groups: readonly CatalogueGroup[] = [first];
  let looks = 0;
  let state = testState({ groups });
  const tickets = new TicketReader({
    view: new CurrentView(() => state),
    store,
    tableFor: () => table,
    lagMs: () => 0,
    clock: systemClock,
    timer: systemTimer,
    refresh: async () => {
      looks += 1;
      groups = learns;
      state = testState({ groups });
    },
  });
  const read = (keys: readonly string[]) =>
    tickets.read({ g: first.id, v: 1, f: ['a'], keys: { k: keys } }, everyone);
  return { read, looks: () => looks };
}

test('a row of a revision that another process learnt first is read after one look at the registry', async () => {
  const { read, looks } = await reader([second]);
  expect(await read(['old'])).toMatchObject({ columns: [[1]] });
  expect(looks()).toBe(0);
  expect(await read(['old', 'new'])).toMatchObject({ columns: [[1, 2]], statuses: ['PRESENT'] });
  await read(['old', 'new']);
  expect(looks()).toBe(1);
});

test('while nobody here knows the revision the part is UNAVAILABLE and may be asked for again, never missing (V5)', async () => {
  const { read, looks } = await reader([first]);
  expect(await read(['old', 'new'])).toMatchObject({
    columns: null,
    statuses: ['UNAVAILABLE'],
    problem: { code: 'UNKNOWN_REVISION', retryable: true },
  });
  expect(looks()).toBe(1);
  expect(await read(['old'])).toMatchObject({ columns: [[1]] });
});

test('what the look brings is judged anew: a group that is gone by then is not read', async () => {
  const { read } = await reader([]);
  expect(await read(['new'])).toMatchObject({ columns: null, statuses: ['UNAVAILABLE'] });
});
