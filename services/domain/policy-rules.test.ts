import {
  GENERATED_NOW_MS as NOW_MS,
  testGroup,
  testPolicy,
  testState,
} from '@featuremesh/testkit/generators/mesh-states';
import { describe, expect, test } from 'vitest';
import type { PolicyDocument } from './policy.ts';
import {
  changeOfPolicy,
  comparePolicies,
  inForce,
  matchesGroup,
  policiesInForce,
  policiesToKeep,
  policyHashText,
  requiredApprovals,
  signedText,
  widenings,
} from './policy-rules.ts';
import { regionId } from './region-id.ts';

const group = testGroup({ name: 'g', entities: ['e'] });
const state = testState({ groups: [group] });
const select = { groups: ['us-east-1/g'], tags: [], entities: [] };

function document(more: Partial<PolicyDocument> = {}): PolicyDocument {
  const base: Partial<PolicyDocument> = {
    select,
    allowed: { regions: [regionId('us-east-1'), regionId('us-west-2')], jurisdictions: [] },
    rows: 'origin',
    egress: 'in-domain',
    readers: { jurisdictions: ['US'], purposes: ['ads'] },
    visibility: 'opaque',
    maxPolicyAgeMs: 60_000,
  };
  return testPolicy({ ...base, ...more }).document;
}

const regions = (...ids: string[]) => ({ regions: ids.map(regionId), jurisdictions: [] });
const jurisdictions = (...names: string[]) => ({ regions: [], jurisdictions: names });

describe('R5: a change is a loosening where any field is wider', () => {
  test.each<[string, Partial<PolicyDocument>]>([
    ['a region more', { allowed: regions('us-east-1', 'us-west-2', 'eu-west-1') }],
    ['a region more and one less', { allowed: regions('us-east-1', 'eu-west-1') }],
    ['a region that is not known yet', { allowed: regions('us-east-1', 'us-west-2', 'mars-1') }],
    ['regions become their jurisdiction, which may grow', { allowed: jurisdictions('US') }],
    ['rows become shared', { rows: 'shared' }],
    ['egress widens', { egress: 'proxy' }],
    ['more is visible', { visibility: 'full' }],
    ['policy may be older', { maxPolicyAgeMs: 60_001 }],
    ['policy may be of any age', { maxPolicyAgeMs: null }],
    ['a reader jurisdiction more', { readers: { jurisdictions: ['US', 'EU'], purposes: ['ads'] } }],
    ['a purpose more', { readers: { jurisdictions: ['US'], purposes: ['ads', 'fraud'] } }],
    ['any purpose', { readers: { jurisdictions: ['US'], purposes: null } }],
    ['it ends later', { effective: { from: '2026-01-01T00:00:00Z', until: '2027-01-01T00:00:00Z' } }],
    ['it begins earlier', { effective: { from: '2025-01-01T00:00:00Z', until: null } }],
    ['a group leaves', { select: { groups: [], tags: [], entities: ['f'] } }],
    ['a group enters', { select: { ...select, groups: ['us-east-1/g', 'us-east-1/h'] } }],
    [
      'one field wider, all others narrower',
      { allowed: regions('us-east-1'), visibility: 'hidden', rows: 'shared' },
    ],
  ])('%s', (_, change) => {
    expect(comparePolicies(document(), document(change), state)).toBe('loosening');
    expect(widenings(document(), document(change), state)).not.toEqual([]);
  });

  test.each<[string, Partial<PolicyDocument>, Partial<PolicyDocument>?]>([
    ['a region less', { allowed: regions('us-east-1') }],
    ['no region at all', { allowed: regions() }],
    ['egress narrows', { egress: 'local-only' }],
    ['less is visible', { visibility: 'hidden' }],
    ['policy must be younger', { maxPolicyAgeMs: 1_000 }],
    ['a purpose less', { readers: { jurisdictions: ['US'], purposes: [] } }],
    [
      'readers become the default, which is within the list',
      { readers: { jurisdictions: null, purposes: ['ads'] } },
      { readers: { jurisdictions: ['US', 'EU'], purposes: ['ads'] } },
    ],
    [
      'it begins later, its predecessor standing until then',
      { effective: { from: '2027-01-01T00:00:00Z', until: null } },
    ],
    [
      'a jurisdiction becomes one of its regions',
      { allowed: regions('us-west-2') },
      { allowed: jurisdictions('US') },
    ],
    ['rows stay with their origin', { rows: 'origin' }, { rows: 'shared' }],
  ])('else a tightening: %s', (_, change, before = {}) => {
    expect(comparePolicies(document(before), document({ ...before, ...change }), state)).toBe('tightening');
  });

  test('a new basis or a new version number changes nothing', () => {
    const basis = { kind: 'contract', ref: 'C-1', expires: null };
    expect(comparePolicies(document(), document({ version: 2, basis }), state)).toBe('neutral');
  });

  test('dates that have passed count as now', () => {
    const earlier = document({
      effective: { from: '2025-01-01T00:00:00Z', until: null },
      egress: 'local-only',
    });
    expect(comparePolicies(document(), earlier, state)).toBe('loosening');
    expect(comparePolicies(document(), earlier, state, NOW_MS)).toBe('tightening');
  });

  test('a first policy is judged against default deny', () => {
    const home = {
      allowed: regions('us-east-1'),
      egress: 'local-only',
      readers: { jurisdictions: null, purposes: null },
    } as const;
    expect(comparePolicies(undefined, document(home), state)).toBe('tightening');
    expect(comparePolicies(undefined, document({ ...home, allowed: regions('us-west-2') }), state)).toBe(
      'loosening',
    );
    expect(comparePolicies(undefined, document({ ...home, egress: 'proxy' }), state)).toBe('loosening');
    const abroad = { jurisdictions: ['EU'], purposes: null };
    expect(comparePolicies(undefined, document({ ...home, readers: abroad }), state)).toBe('loosening');
  });

  test('a first policy only restricts where a lasting one covers all it names already', () => {
    const covering = (more: Partial<PolicyDocument>) =>
      testState({ groups: [group], policies: [testPolicy({ name: 'other', select, ...more })] });
    const second = document({ name: 'second', allowed: jurisdictions('US', 'EU') });
    expect(comparePolicies(undefined, second, covering({}))).toBe('tightening');
    const temporary = { effective: { from: '2026-01-01T00:00:00Z', until: '2027-01-01T00:00:00Z' } };
    expect(comparePolicies(undefined, second, covering(temporary))).toBe('loosening');
    const toCome = { effective: { from: '2026-01-02T00:00:00Z', until: null } };
    expect(comparePolicies(undefined, second, covering(toCome))).toBe('loosening');
    const byEntity = document({ ...second, select: { groups: [], tags: [], entities: ['e'] } });
    expect(comparePolicies(undefined, byEntity, covering({}))).toBe('loosening');
  });

  test('a loosening that waits for its date does not let its successor loosen at once', () => {
    const narrow = testPolicy({ select, allowed: regions('us-east-1'), version: 1 });
    const later = testPolicy({
      select,
      allowed: regions('us-east-1', 'us-west-2'),
      version: 2,
      effective: { from: '2027-01-01T00:00:00Z', until: null },
    });
    const third = document({ ...later.document, version: 3, effective: narrow.document.effective });
    expect(changeOfPolicy(third, [narrow, later], state, NOW_MS)).toBe('loosening');
    expect(changeOfPolicy(third, [narrow, later], state, Date.parse('2027-02-01T00:00:00Z'))).toBe('neutral');
  });

  test('loosening takes two approvers, all else one', () => {
    expect(['loosening', 'tightening', 'neutral'].map(kind => requiredApprovals(kind as never))).toEqual([
      2, 1, 1,
    ]);
  });
});

describe('what is in force', () => {
  const effective = (from: string, until: string | null = null) => ({ effective: { from, until } });

  test('from its first instant to just before its last', () => {
    const { document: dated } = testPolicy(effective('2026-06-01T00:00:00Z', '2026-06-02T00:00:00Z'));
    const days = [
      '2026-05-31T23:59:59.999Z',
      '2026-06-01T00:00:00Z',
      '2026-06-01T23:59:59.999Z',
      '2026-06-02T00:00:00Z',
    ];
    expect(days.map(day => inForce(dated, Date.parse(day)))).toEqual([false, true, true, false]);
  });

  test('only approved policies, the newest begun version of each name, and no older one after it has ended', () => {
    const first = testPolicy({ version: 1 });
    const ended = testPolicy({ version: 2, ...effective('2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z') });
    const proposed = testPolicy({ version: 3 }, 0);
    const other = testPolicy({ name: 'q' });
    expect(policiesInForce([first, proposed, other], NOW_MS)).toEqual([first, other]);
    expect(policiesInForce([ended, first, other], NOW_MS)).toEqual([other]);
  });

  test('a registry keeps what may still come into force, and what is until then', () => {
    const old = testPolicy({ version: 1 });
    const current = testPolicy({ version: 2 });
    const toCome = testPolicy({ version: 3, ...effective('2027-01-01T00:00:00Z') });
    const proposed = testPolicy({ version: 4 }, 0);
    expect(policiesToKeep([old, current, toCome, proposed], NOW_MS)).toEqual([current, toCome]);
  });

  test('selects by name and entity, and only groups of its own home', () => {
    const abroad = testGroup({ name: 'g', homeRegion: regionId('us-west-2') });
    expect(matchesGroup(document(), group)).toBe(true);
    expect(matchesGroup(document(), abroad)).toBe(false);
    const byEntity = document({ select: { groups: [], tags: [], entities: ['e'] } });
    expect(matchesGroup(byEntity, group)).toBe(true);
    expect(matchesGroup(byEntity, abroad)).toBe(false);
  });
});

test('the hashed text does not depend on the order of members, the signed text on nothing but hash, act and time', () => {
  const turned = Object.fromEntries(Object.entries(document()).toReversed()) as unknown as PolicyDocument;
  expect(policyHashText(turned)).toBe(policyHashText(document()));
  expect(policyHashText(document({ egress: 'proxy' }))).not.toBe(policyHashText(document()));
  expect(signedText('ab', 'approve', '2026-01-01T00:00:00Z')).toBe(
    'featuremesh-policy-1\napprove\nab\n2026-01-01T00:00:00Z',
  );
});
