import { expect, test } from 'vitest';
import { PLANTED } from './planted.ts';

test('every planted defect is of one kind: rows, or what may be held, read and known; each kind is a file of the simulator’s tests', () => {
  for (const [defect, invariants] of Object.entries(PLANTED)) {
    const kinds = new Set(invariants.map(invariant => (invariant.startsWith('S') ? 'rows' : 'seen')));
    expect([defect, kinds.size]).toEqual([defect, 1]);
    expect(invariants.join('')).toMatch(/^([SRVC]\d)+$/);
  }
});
