import { testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { expect, test } from 'vitest';
import { meshViewOf } from '../catalogue/mesh-view.ts';
import { groupNode } from './catalogue-nodes.ts';

test('a group has a slice in every region that may hold its rows, and none once they were purged', () => {
  const slices = (more: { purged?: true }): unknown => {
    const group = { ...testGroup({ name: 'g', id: 'gggggggggggggggg' }), ...more };
    const context = { view: meshViewOf(testState({ groups: [group] })), nowMs: 0 };
    return (groupNode(group, context)['slices'] as () => unknown)();
  };
  expect(slices({})).toEqual([{ region: 'us-east-1', group: 'gggggggggggggggg@v1', replica: false }]);
  expect(slices({ purged: true })).toEqual([]);
});
