import { policyHashText } from '@featuremesh/domain/policy-rules';
import { describe, expect, test } from 'vitest';
import { parsePolicyFiles } from './policy-file.ts';

const FULL = `- name: delays-are-public
  home: us-east-1
  version: 1
  select: {groups: [us-east-1/airport_delays]}
  allowed: {regions: [us-west-2, us-east-1, eu-west-1]}
  rows: shared
  egress: in-domain
  readers: {jurisdictions: [US, EU], purposes: [operations]}
  visibility: full
  maxPolicyAge: 15m
  basis: {kind: none, ref: "", expires: null}
  effective: {from: 2026-01-01T01:00:00+01:00, until: null}
`;
const SHORT = `- {name: p, home: us-east-1, version: 1, select: {groups: [g], entities: [traveller]}, allowed: {jurisdictions: [US]}}\n`;

const parse = (text: string) => parsePolicyFiles([{ name: 'policies/p.yaml', text }]);
function documentOf(text: string) {
  const result = parse(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problem));
  const [policy] = result.value;
  if (policy === undefined) throw new Error('one policy is expected');
  return policy.document;
}

test('the documented file becomes a document', () => {
  expect(documentOf(FULL)).toEqual({
    name: 'delays-are-public',
    home: 'us-east-1',
    version: 1,
    select: { groups: ['us-east-1/airport_delays'], tags: [], entities: [] },
    allowed: { regions: ['eu-west-1', 'us-east-1', 'us-west-2'], jurisdictions: [] },
    rows: 'shared',
    egress: 'in-domain',
    readers: { jurisdictions: ['EU', 'US'], purposes: ['operations'] },
    visibility: 'full',
    maxPolicyAgeMs: 900_000,
    basis: { kind: 'none', ref: '', expires: null },
    effective: { from: '2026-01-01T00:00:00Z', until: null },
  });
});

test('what is left out is written out, the strictest of each field', () => {
  expect(documentOf(SHORT)).toEqual({
    name: 'p',
    home: 'us-east-1',
    version: 1,
    select: { groups: ['us-east-1/g'], tags: [], entities: ['traveller'] },
    allowed: { regions: [], jurisdictions: ['US'] },
    rows: 'origin',
    egress: 'local-only',
    readers: { jurisdictions: null, purposes: null },
    visibility: 'full',
    maxPolicyAgeMs: null,
    basis: { kind: 'none', ref: '', expires: null },
    effective: { from: '1970-01-01T00:00:00Z', until: null },
  });
});

test('order, spelling of instants and written defaults do not change what is hashed', () => {
  const turned = FULL.replace('[us-west-2, us-east-1, eu-west-1]', '[eu-west-1, us-east-1, us-west-2]')
    .replace('2026-01-01T01:00:00+01:00', '"2026-01-01T00:00:00.000Z"')
    .replace('  visibility: full\n', '')
    .replace('us-east-1/airport_delays', 'airport_delays')
    .replace('15m', '900s');
  expect(policyHashText(documentOf(turned))).toBe(policyHashText(documentOf(FULL)));
});

describe('each mistake is named with file, line, column and path', () => {
  test.each<[string, string, string]>([
    ['name: delays-are-public', 'name: Delays', '1:9 [0].name'],
    ['home: us-east-1', 'home: US', '2:9 [0].home'],
    ['version: 1', 'version: 0', '3:12 [0].version'],
    ['version: 1', 'version: "1"', '3:12 [0].version'],
    ['groups: [us-east-1/airport_delays]', 'groups: []', '4:11 [0].select'],
    ['us-east-1/airport_delays', 'us-west-2/airport_delays', '4:21 [0].select.groups[0]'],
    ['us-east-1/airport_delays', 'us-east-1/airport_delays@v1', '4:21 [0].select.groups[0]'],
    ['{regions: [us-west-2, us-east-1, eu-west-1]}', '{}', '5:12 [0].allowed'],
    ['eu-west-1]}', 'eu-west-1], jurisdictions: [US]}', '5:12 [0].allowed'],
    ['rows: shared', 'rows: share', '6:9 [0].rows'],
    ['egress: in-domain', 'egress: all', '7:11 [0].egress'],
    ['purposes: [operations]', 'purposes: operations', '8:48 [0].readers.purposes'],
    ['maxPolicyAge: 15m', 'maxPolicyAge: 0s', '10:17 [0].maxPolicyAge'],
    ['+01:00', '', '12:21 [0].effective.from'],
    ['until: null', 'until: 2025-01-01T00:00:00Z', '12:55 [0].effective.until'],
    ['  rows:', '  row:', '6:3 [0].row'],
  ])('%s → %s', (right, wrong, path) => {
    const result = parse(FULL.replace(right, wrong));
    if (result.ok) throw new Error('a problem is expected');
    expect(result.problem.code).toBe('INVALID_POLICY');
    expect(result.problem.issues).toContainEqual(
      expect.objectContaining({ path: `policies/p.yaml:${path}` }),
    );
  });

  test('one version twice', () => {
    const result = parse(FULL + FULL);
    if (result.ok) throw new Error('a problem is expected');
    expect(result.problem.issues).toMatchObject([{ path: 'policies/p.yaml:13:3 [1]' }]);
  });

  test('selection by tags comes later', () => {
    expect(parse(FULL.replace('select: {', 'select: {tags: [policy/pii], '))).toMatchObject({
      problem: { code: 'NOT_YET_SUPPORTED', issues: [{ code: 'NOT_YET_SUPPORTED' }] },
    });
  });
});
