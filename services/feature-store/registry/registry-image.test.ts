import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { publicationTo } from '@featuremesh/domain/publication';
import { regionId } from '@featuremesh/domain/region-id';
import {
  GENERATED_NOW_MS,
  testGroup,
  testPolicy,
  testState,
} from '@featuremesh/testkit/generators/mesh-states';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeImage, EMPTY_IMAGE, type RegistryImage } from './registry-image.ts';

/** One message for each step of a history at home, in which a group is created, described anew, veiled and unveiled. */
function messagesOf(
  steps: readonly ('full' | 'opaque' | 'hidden' | 'describe')[],
): readonly (readonly CatalogueEntry[])[] {
  let image: RegistryImage = EMPTY_IMAGE;
  let group = testGroup({
    name: 'payroll',
    id: 'aaaaaaaaaaaaaaaa',
    sync: { mode: 'active-active', regions: [regionId('us-west-2')] },
  });
  let version = 0;
  return [...steps].map((step, at) => {
    if (step === 'describe')
      group = { ...group, definition: { ...group.definition, description: `take ${at}` } };
    else version += 1;
    const policy = testPolicy(
      {
        name: 'salaries',
        version,
        select: { groups: ['us-east-1/payroll'], tags: [], entities: [] },
        allowed: { regions: [regionId('us-east-1'), regionId('us-west-2')], jurisdictions: [] },
        visibility: step === 'describe' ? 'full' : step,
      },
      version,
    );
    const entries: CatalogueEntry[] = [{ kind: 'group', home: 'us-east-1', sequence: 0, group }];
    if (step !== 'describe') entries.push({ kind: 'policy', home: 'us-east-1', sequence: 0, policy });
    image = changeImage(image, entries, regionId('us-east-1')).image;
    const all = [...image.entries.values()];
    const policies = all.flatMap(entry => (entry.kind === 'policy' ? [entry.policy] : []));
    const newest = policies.filter(({ document }) => document.version === version);
    const state = testState({ revision: image.revision, groups: [group], policies: newest });
    const told = publicationTo(regionId('eu-west-1'), { state, entries: all, nowMs: GENERATED_NOW_MS });
    return [told.view, ...told.entries];
  });
}

function receive(messages: readonly (readonly CatalogueEntry[])[]): string[] {
  const image = messages.reduce(
    (held, entries) => changeImage(held, entries, regionId('eu-west-1')).image,
    EMPTY_IMAGE,
  );
  return [...image.entries.values()].map(entry => JSON.stringify(entry)).sort();
}

const step = fc.constantFrom('full' as const, 'opaque' as const, 'hidden' as const, 'describe' as const);

test('C2: what the newest view does not list is forgotten; of a group known before the bare id stays', () => {
  const [open, veiled] = messagesOf(['full', 'hidden']);
  const known = receive([open ?? []]).join();
  expect(known).toContain('payroll');
  const after = receive([open ?? [], veiled ?? []]);
  expect(after.join()).not.toContain('payroll');
  expect(after.map(text => JSON.parse(text).kind)).toEqual(['opaque-group', 'view']);
  expect(receive([veiled ?? []]).map(text => JSON.parse(text).kind)).toEqual(['view']);
});

test('C3: in any order and repetition, the same messages leave the same names known', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      (steps, draws) => {
        const messages = messagesOf(steps[0] === 'describe' ? ['full', ...steps] : steps);
        const drawn = [...messages, ...messages].map(message => ({ message, at: draws.next().value ?? 0 }));
        const shuffled = drawn.sort((a, b) => a.at - b.at).map(({ message }) => message);
        const withoutIds = (texts: readonly string[]) =>
          texts.filter(text => JSON.parse(text).kind !== 'opaque-group');
        expect(withoutIds(receive(shuffled))).toEqual(withoutIds(receive(messages)));
      },
    ),
  );
});
