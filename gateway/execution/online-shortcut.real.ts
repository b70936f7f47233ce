import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GatewayHarness } from '../testing/gateway-harness.ts';
import { onlineShapeOf } from './online-shape.ts';

/** The gateway is in us-east-1; `far` may not pass through it, `pinned` lives in one region only. */
const MESH = {
  regions: [
    ['us-east-1', 'US'],
    ['us-west-2', 'US'],
    ['eu-west-1', 'EU'],
  ],
  groups: [
    { name: 'own', home: 'us-east-1', regions: ['us-east-1'] },
    { name: 'shared', home: 'eu-west-1', regions: ['eu-west-1', 'us-west-2'] },
    { name: 'pinned', home: 'eu-west-1', regions: ['eu-west-1'] },
    { name: 'far', home: 'eu-west-1', regions: ['eu-west-1'] },
  ],
  policies: [
    {
      group: 'eu-west-1/shared',
      regions: ['eu-west-1', 'us-west-2'],
      egress: 'proxy',
      readers: ['EU', 'US'],
    },
    { group: 'eu-west-1/pinned', regions: ['eu-west-1'], egress: 'proxy', readers: ['EU', 'US'] },
    { group: 'eu-west-1/far', regions: ['eu-west-1'], readers: ['EU', 'US'] },
  ],
} as const satisfies Parameters<typeof GatewayHarness.start>[0];

const ALL =
  'rows results { region group as version rowIndex names columns statuses eventTimes source problem }';
const HEAD = 'query ($features: [String!], $keys: JSON!, $maxAgeMs: Int)';
const ARGUMENTS = '(features: $features, keys: $keys, maxAgeMs: $maxAgeMs)';
const KEYS = { key: ['k1', 'k2', 'k1'] };

/** Operations of one `online`, and their variables. */
const READS: readonly (readonly [what: string, online: string, variables: Record<string, unknown>])[] = [
  [
    'all fields',
    `online${ARGUMENTS} { ${ALL} }`,
    { features: ['own:a', 'pinned:b', 'pinned:a'], keys: KEYS },
  ],
  [
    'aliases and type names',
    `read: online${ARGUMENTS} { __typename n: rows all: results { __typename c: columns columns where: region problem } }`,
    { features: ['own:a', 'pinned:a'], keys: KEYS },
  ],
  ['no results', `online${ARGUMENTS} { rows }`, { features: ['own:a'], keys: { key: 'k' } }],
  [
    'a part that policy refuses',
    `online${ARGUMENTS} { ${ALL} }`,
    { features: ['far:a', 'own:a'], keys: KEYS },
  ],
  ['nothing but refused parts', `online${ARGUMENTS} { ${ALL} }`, { features: ['far:a'], keys: KEYS }],
  ['an unknown group', `online${ARGUMENTS} { ${ALL} }`, { features: ['nothing:a'], keys: KEYS }],
  ['a missing key', `online${ARGUMENTS} { ${ALL} }`, { features: ['own:a'], keys: {} }],
  ['a variable of another type', `online${ARGUMENTS} { ${ALL} }`, { features: [7], keys: KEYS }],
  ['a variable left out', `online${ARGUMENTS} { ${ALL} }`, { features: ['own:a'] }],
  ['null variables', `online${ARGUMENTS} { ${ALL} }`, { features: ['own:a'], keys: KEYS, maxAgeMs: null }],
];

/** Where an operation stands in its text differs by the fragment, and how a region failed by the moment; that it is told does not. */
const CHANGING: readonly string[] = ['locations', 'message', 'detail'];

let mesh: GatewayHarness;
beforeAll(async () => {
  mesh = await GatewayHarness.start(MESH);
});
afterAll(() => mesh.stop());

const asOperation = (selection: string) => `${HEAD} { ${selection} }`;

/** The shortcut's answer and the planner's to the same operation: an inline fragment around it makes it the planner's. */
async function both(online: string, variables: Record<string, unknown>) {
  const operations = [asOperation(online), asOperation(`... on Query { ${online} }`)];
  expect(operations.map(text => onlineShapeOf(parse(text)) === undefined)).toEqual([false, true]);
  const answers: unknown[] = [];
  for (const text of operations) {
    const { status, json } = await mesh.graphql(text, variables);
    const body = JSON.stringify(json, (name, value) =>
      CHANGING.includes(name) && typeof value !== 'undefined' ? 'told' : value,
    );
    answers.push({ status, body: JSON.parse(body) });
  }
  return answers;
}

test.each(READS)('the planner answers the same: %s', async (_, online, variables) => {
  const [short, planned] = await both(online, variables);
  expect(short).toEqual(planned);
});

test('literals for arguments', async () => {
  const literal = `online(features: ["own:a"], keys: {key: ["k1", "k2"]}, maxAgeMs: 5) { ${ALL} }`;
  const answers: unknown[] = [];
  for (const text of [`{ ${literal} }`, `{ ... on Query { ${literal} } }`])
    answers.push((await mesh.graphql(text)).json);
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]).toMatchObject({ data: { online: { rows: 2 } } });
});

describe('with a region down', () => {
  beforeAll(() => mesh.stub('eu-west-1').stop());

  test.each([
    ['a part that cannot be read', ['own:a', 'pinned:a']],
    ['parts that cannot be read and that policy refuses', ['pinned:a', 'far:a', 'shared:a']],
    ['nothing that can be read', ['pinned:a']],
  ])('the planner answers the same, errors and paths included: %s', async (_, features) => {
    for (const online of [
      `online${ARGUMENTS} { ${ALL} }`,
      `x: online${ARGUMENTS} { y: results { columns } }`,
    ]) {
      const [short, planned] = await both(online, { features, keys: KEYS });
      expect(short).toEqual(planned);
      expect(JSON.stringify(short)).toContain('REGION_UNAVAILABLE');
    }
  });
});

test.each([
  ['{ regions { id } }', 'another field'],
  ['{ online(keys: {}) { rows } regions { id } }', 'another field beside it'],
  ['{ a: online(keys: {}) { rows } b: online(keys: {}) { rows } }', 'two reads'],
  ['{ online(keys: {}) { ...F } } fragment F on OnlineAnswer { rows }', 'a fragment'],
  ['{ online(keys: {}) @include(if: true) { rows } }', 'a directive'],
  ['{ online(keys: {}) { rows @skip(if: true) } }', 'a directive below'],
  ['query A { online(keys: {}) { rows } } query B { online(keys: {}) { rows } }', 'two operations'],
  ['{ online(keys: {}) { results { group } results { names } } }', 'a field that has to be merged'],
])('%s goes to the planner: %s', text => {
  expect(onlineShapeOf(parse(text))).toBeUndefined();
});
