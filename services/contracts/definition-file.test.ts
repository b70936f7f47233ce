import { NOTHING_KNOWN } from '@featuremesh/domain/definition-rules';
import { regionId } from '@featuremesh/domain/region-id';
import { describe, expect, test } from 'vitest';
import { checkDefinitions, parseDefinitionFiles } from './definition-file.ts';

const AIRPORTS = `entities:
  - {name: airport, joinKeys: [{name: airport, type: string}]}
  - name: traveller
    subject: true
    joinKeys: [{name: traveller, type: string}, {name: residence, type: string, role: region}]
featureGroups:
  - name: airport_delays
    entity: airport
    homeRegion: us-east-1
    description: Rolling departure delays per airport
    owner: flight-ops@example.com
    tags: [demo, delays]
    inputs: external
    maxAge: 36h
    retention: 400d
    sync: {mode: active-active, regions: [us-west-2, us-east-1]}
    features:
      - {name: mean_delay_min, type: float64, nullable: true, description: Mean}
      - {name: profile_embedding, type: "float32[64]"}
  - {name: airport_profile, entity: airport, homeRegion: us-west-2, features: [{name: latitude, type: float64}]}
featureServices:
  - name: delay_model
    features:
      - airport_delays:mean_delay_min
      - {group: us-west-2/airport_profile, as: origin_profile, keys: {airport: origin}, features: [latitude]}
      - airport_delays:profile_embedding
`;
const FILE = 'features/airports.yaml';

const parse = (text: string, ...others: [string, string][]) =>
  parseDefinitionFiles([{ name: FILE, text }, ...others.map(([name, more]) => ({ name, text: more }))]);

function problemOf(text: string, ...others: [string, string][]) {
  const result = parse(text, ...others);
  if (result.ok) throw new Error('a problem is expected');
  return result.problem;
}

test('the documented file becomes definitions with their defaults written out', () => {
  const result = parse(AIRPORTS);
  if (!result.ok) throw new Error(JSON.stringify(result.problem));
  const { entities, groups, services } = result.value.set;
  expect(entities[1]).toEqual({
    name: 'traveller',
    subject: true,
    joinKeys: [
      { name: 'traveller', type: 'string' },
      { name: 'residence', type: 'string', role: 'region' },
    ],
  });
  expect(groups[0]).toEqual({
    name: 'airport_delays',
    homeRegion: 'us-east-1',
    entities: ['airport'],
    description: 'Rolling departure delays per airport',
    owner: 'flight-ops@example.com',
    tags: ['demo', 'delays'],
    inputs: 'external',
    maxAgeMs: 36 * 3_600_000,
    retentionMs: 400 * 86_400_000,
    sync: { mode: 'active-active', regions: ['us-east-1', 'us-west-2'] },
    features: [
      {
        name: 'mean_delay_min',
        type: { kind: 'scalar', scalar: 'float64' },
        nullable: true,
        description: 'Mean',
      },
      { name: 'profile_embedding', type: { kind: 'vector', dimensions: 64 }, nullable: false },
    ],
    state: 'active',
  });
  expect(groups[1]).toMatchObject({
    sync: { mode: 'local', regions: ['us-west-2'] },
    tags: [],
    inputs: 'external',
  });
  expect(services[0]).toEqual({
    name: 'delay_model',
    homeRegion: 'us-east-1',
    tags: [],
    features: [
      { group: 'airport_delays', features: ['mean_delay_min', 'profile_embedding'] },
      {
        group: 'us-west-2/airport_profile',
        as: 'origin_profile',
        keys: { airport: 'origin' },
        features: ['latitude'],
      },
    ],
  });
  expect(checkDefinitions(result.value, NOTHING_KNOWN)).toEqual({ ok: true, value: result.value.set });
});

describe('each mistake is named with file, line, column and path', () => {
  test.each<[string, string, string, RegExp]>([
    ['inputs: external', 'inputs: nothing', '13:13 featureGroups[0].inputs', /external/],
    ['maxAge: 36h', 'maxAge: 36 hours', '14:13 featureGroups[0].maxAge', /36h/],
    ['retention: 400d', 'retention: 400', '15:16 featureGroups[0].retention', /duration/],
    [
      'homeRegion: us-east-1',
      'homeregion: us-east-1',
      '9:5 featureGroups[0].homeregion',
      /did you mean `homeRegion`/,
    ],
    ['homeRegion: us-east-1', 'homeRegion: US', '9:17 featureGroups[0].homeRegion', /a-z0-9-/],
    [
      'mode: active-active',
      'mode: active-activ',
      '16:18 featureGroups[0].sync.mode',
      /did you mean `active-active`/,
    ],
    [
      'type: float64, nullable',
      'type: flaot64, nullable',
      '18:38 featureGroups[0].features[0].type',
      /did you mean `float64`/,
    ],
    ['float32[64]', 'float64[64]', '19:41 featureGroups[0].features[1].type', /unknown type/],
    ['nullable: true', 'nullable: maybe', '18:57 featureGroups[0].features[0].nullable', /true or false/],
    ['tags: [demo, delays]', 'tags: demo', '12:11 featureGroups[0].tags', /list/],
    ['subject: true', 'subject: 1', '4:14 entities[1].subject', /true or false/],
    ['residence, type: string', 'residence, type: float64', '5:73 entities[1].joinKeys[1].type', /join key/],
    ['role: region', 'role: country', '5:87 entities[1].joinKeys[1].role', /region/],
    ['- airport_delays:mean_delay_min', '- airport_delays', '24:9 featureServices[0].features[0]', /group/],
    ['keys: {airport: origin}', 'keys: [origin]', '25:70 featureServices[0].features[1].keys', /mapping/],
    ['entity: airport\n', 'entity: [airport]\n', '8:13 featureGroups[0].entity', /text/],
  ])('%s → %s', (right, wrong, path, message) => {
    const { issues = [], code } = problemOf(AIRPORTS.replace(right, wrong));
    expect(code).toBe('INVALID_DEFINITION');
    expect(issues).toContainEqual(
      expect.objectContaining({ path: `${FILE}:${path}`, message: expect.stringMatching(message) }),
    );
  });

  test('a missing member is reported where its mapping begins', () => {
    const { issues } = problemOf(AIRPORTS.replace('    entity: airport\n', ''));
    expect(issues).toEqual([{ path: `${FILE}:7:5 featureGroups[0].entity`, message: 'is missing' }]);
  });

  test('rules that need the whole set point into the files too', () => {
    const parsed = parse(
      AIRPORTS.replace('inputs: external', 'inputs: [us-west-2/airport_profile]')
        .replace(
          'entity: airport, homeRegion: us-west-2',
          'entity: airport, homeRegion: us-west-2, inputs: [us-east-1/airport_delays]',
        )
        .replace('{airport: origin}', '{city: origin}'),
    );
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problem));
    const checked = checkDefinitions(parsed.value, NOTHING_KNOWN);
    if (checked.ok) throw new Error('a problem is expected');
    expect(checked.problem.issues).toMatchObject([
      { path: `${FILE}:25:77 featureServices[0].features[1].keys.city` },
      { path: `${FILE}:13:13 featureGroups[0].inputs`, code: 'DEFINITION_CYCLE' },
    ]);
  });
});

test('who answers for a definition, what follows it, where its columns come from', () => {
  const text = `entities:
  - {name: user, joinKeys: [{name: user, type: string}]}
featureGroups:
  - {name: raw, entity: user, homeRegion: us-east-1, features: [{name: clicks, type: int64}]}
  - name: ratios
    entity: user
    homeRegion: us-east-1
    team: ranking
    deprecated: {since: 2026-11-30, successor: raw, reason: counted twice}
    sources: [click_log, {name: crm, description: customer records}]
    inputs: [raw]
    features:
      - {name: ctr, type: float64, from: [raw:clicks, click_log:shown]}
      - {name: tier, type: string, from: crm:tier}
featureServices:
  - {name: model, team: ranking, deprecated: {since: 2026-12-01}, features: [ratios:ctr]}
`;
  const result = parse(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problem));
  expect(checkDefinitions(result.value, NOTHING_KNOWN)).toMatchObject({ ok: true });
  expect(result.value.set.groups[1]).toMatchObject({
    team: 'ranking',
    deprecated: { since: '2026-11-30', successor: 'raw', reason: 'counted twice' },
    sources: [{ name: 'click_log' }, { name: 'crm', description: 'customer records' }],
    features: [{ from: ['raw:clicks', 'click_log:shown'] }, { from: ['crm:tier'] }],
  });
  expect(result.value.set.services[0]).toMatchObject({
    team: 'ranking',
    deprecated: { since: '2026-12-01' },
  });
  for (const [right, wrong, where] of [
    ['since: 2026-11-30', 'since: 2026-11-31', 'featureGroups[1].deprecated.since'],
    ['successor: raw', 'successor: ratios', 'featureGroups[1].deprecated.successor'],
    ['successor: raw', 'successor: nothing', 'featureGroups[1].deprecated.successor'],
    ['raw:clicks, click', 'raw:views, click', 'featureGroups[1].features[0].from[0]'],
    ['raw:clicks, click', 'other:x, click', 'featureGroups[1].features[0].from[0]'],
    ['from: crm:tier', 'from: crm', 'featureGroups[1].features[1].from'],
    ['[click_log, {', '[Click, {', 'featureGroups[1].sources[0]'],
  ] as const) {
    const parsed = parse(text.replace(right, wrong));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problem));
    const checked = checkDefinitions(parsed.value, NOTHING_KNOWN);
    const places = checked.ok ? [] : (checked.problem.issues ?? []).map(({ path }) => path.split(' ')[1]);
    expect({ wrong, places }).toEqual({ wrong, places: expect.arrayContaining([where]) });
  }
});

describe('files', () => {
  test('all errors of all files come at once, in the order of files and lines', () => {
    const { issues = [] } = problemOf(
      AIRPORTS.replace('maxAge: 36h', 'maxAge: x').replace('subject: true', 'subject: x'),
      ['features/b.yaml', 'featureGroups:\n  - {name: b}\n'],
      ['features/c.yaml', 'entities: [1\nb: 2\n'],
    );
    const places = issues.map(({ path }) => path.split(' ')[0]);
    expect(places).toEqual([
      `${FILE}:4:14`,
      `${FILE}:14:13`,
      'features/b.yaml:2:5',
      'features/b.yaml:2:5',
      'features/b.yaml:2:5',
      expect.stringMatching(/^features\/c\.yaml:\d+:\d+$/),
    ]);
  });

  test.each([
    ['a list at the top', '- 1\n', /mapping/],
    ['an unknown section', 'featureGroup: []\n', /did you mean `featureGroups`/],
    ['a key twice', 'entities: []\nentities: []\n', /unique/],
    ['an alias without anchor', 'entities: [*x]\n', /alias/i],
  ])('%s is refused', (_, text, message) => {
    expect(problemOf(text).issues?.[0]?.message).toMatch(message);
  });

  test('an empty file, or one with comments only, declares nothing', () => {
    expect(parse('# later\n', ['b.yaml', ''])).toMatchObject({ ok: true, value: { set: { groups: [] } } });
  });

  test('anchors and aliases are followed', () => {
    const text =
      'entities:\n  - {name: a, joinKeys: &k [{name: k, type: string}]}\n  - {name: b, joinKeys: *k}\n';
    expect(parse(text)).toMatchObject({
      ok: true,
      value: { set: { entities: [{}, { joinKeys: [{ name: 'k' }] }] } },
    });
  });

  test('a service of groups elsewhere takes the default home, or must name one', () => {
    const text = 'featureServices:\n  - {name: s, features: [delays:a]}\n';
    expect(problemOf(text).issues?.[0]?.path).toBe(`${FILE}:2:5 featureServices[0].homeRegion`);
    const withHome = parseDefinitionFiles([{ name: FILE, text }], { defaultHome: regionId('eu-west-1') });
    expect(withHome).toMatchObject({ value: { set: { services: [{ homeRegion: 'eu-west-1' }] } } });
  });
});

describe('parts of later milestones are refused, never ignored', () => {
  test.each([
    ['inputs: external', 'inputs: external\n    source: {}'],
    ['inputs: external', 'inputs: external\n    aggregates: []'],
    ['inputs: external', 'inputs: external\n    derived: [{name: x, type: int64, expr: "a/b"}]'],
    ['mode: active-active', 'mode: hub-and-spoke'],
    ['mode: active-active', 'mode: batch-copy'],
    ['featureServices:', 'requestContext: [{name: device, type: string}]\nfeatureServices:'],
  ])('%s → %s', (right, later) => {
    const { code, issues } = problemOf(AIRPORTS.replace(right, later));
    expect(code).toBe('NOT_YET_SUPPORTED');
    expect(issues).toEqual([expect.objectContaining({ code: 'NOT_YET_SUPPORTED' })]);
  });
});
