import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GatewayHarness } from './testing/gateway-harness.ts';
import { type GroupSketch, groupIdOf, type PolicySketch } from './testing/mesh-fixture.ts';
import type { SeenRequest, StubBehaviour } from './testing/stub-region.ts';

const REGIONS = [
  ['ap-south-1', 'IN'],
  ['eu-central-1', 'EU'],
  ['eu-west-1', 'EU'],
  ['us-east-1', 'US'],
] as const;
const IDS = REGIONS.map(([id]) => id);
const JURISDICTION = new Map<string, string>(REGIONS);

/** A group with its policy, if any, as one thing: what the oracle judges by. */
interface Pinning {
  readonly group: GroupSketch & {
    readonly regions: readonly string[];
    readonly mode: 'active-active' | 'local';
  };
  readonly policy:
    | (PolicySketch & {
        readonly rows: 'shared' | 'origin';
        readonly egress: 'local-only' | 'in-domain' | 'proxy';
      })
    | undefined;
  readonly residence: boolean;
}

/* The oracle: A6 and interfaces.md in their plainest words, sharing no code with the planner or the guard. */

function placementOf({ group, policy }: Pinning): readonly string[] {
  const allowed = policy === undefined ? [group.home] : policy.regions;
  return IDS.filter(id => allowed.includes(id) && (id === group.home || group.regions.includes(id)));
}

function mayCarry(pinning: Pinning, holder: string, gateway: string): boolean {
  const { policy } = pinning;
  if (policy?.rows === 'origin' ? gateway === holder : placementOf(pinning).includes(gateway)) return true;
  if (policy?.egress === 'proxy') return true;
  return policy?.egress === 'in-domain' && JURISDICTION.get(gateway) === JURISDICTION.get(holder);
}

function isReplicated({ group, policy }: Pinning): boolean {
  return group.mode === 'active-active' && policy?.rows !== 'origin';
}

/** What is wrong with a request that reached `holder` from `gateway`; empty where nothing is. */
function violations(
  request: SeenRequest,
  holder: string,
  gateway: string,
  world: readonly Pinning[],
): string[] {
  const wrong: string[] = [];
  for (const pinning of world) {
    const { name } = pinning.group;
    if (!request.body.includes(`for-${name}-`)) continue;
    if (!placementOf(pinning).includes(holder)) wrong.push(`${name}: ${holder} is outside the placement`);
    if (!mayCarry(pinning, holder, gateway))
      wrong.push(`${name}: ${gateway} is outside the gateway set of ${holder}`);
    if (pinning.residence && !isReplicated(pinning))
      for (const id of IDS)
        if (id !== holder && request.body.includes(`for-${name}-in-${id}-`))
          wrong.push(`${name}: a key pinned to ${id} reached ${holder}`);
  }
  return wrong;
}

const region = fc.constantFrom(...IDS);
const regions = fc.subarray(IDS, { minLength: 1 });
const pinning = (name: string): fc.Arbitrary<Pinning> =>
  fc
    .record({
      home: region,
      sync: regions,
      mode: fc.constantFrom('active-active' as const, 'local' as const),
      residence: fc.boolean(),
      policy: fc.option(
        fc.record({
          allowed: regions,
          rows: fc.constantFrom('shared' as const, 'origin' as const),
          egress: fc.constantFrom('local-only' as const, 'in-domain' as const, 'proxy' as const),
        }),
        { nil: undefined, freq: 4 },
      ),
    })
    .map(({ home, sync, mode, residence, policy }) => ({
      residence,
      group: {
        name,
        home,
        mode,
        regions: sync,
        joinKeys: residence
          ? [
              { name: `${name}_home`, type: 'string' as const, role: 'region' as const },
              { name: `${name}_key`, type: 'string' as const },
            ]
          : [{ name: `${name}_key`, type: 'string' as const }],
      },
      policy: policy && {
        group: `${home}/${name}`,
        regions: policy.allowed,
        rows: policy.rows,
        egress: policy.egress,
      },
    }));
const NAMES = ['alpha', 'beta', 'gamma'];
const world = fc.tuple(...NAMES.map(pinning));
const outage: fc.Arbitrary<StubBehaviour> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'right' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'status', status: 503 } as const) },
  { weight: 1, arbitrary: region.map(id => ({ kind: 'stamp', region: id }) as const) },
  {
    weight: 1,
    arbitrary: fc.constant({ kind: 'problem', code: 'STORE_UNAVAILABLE', detail: 'down' } as const),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'error', code: 'MISROUTED', message: 'not here' } as const) },
);
const query = fc.record({
  gateway: region,
  groups: fc.subarray(NAMES, { minLength: 1 }),
  homes: fc.array(region, { minLength: 1, maxLength: 5 }),
  overHttp: fc.boolean(),
  consistency: fc.constantFrom('nearest', 'home'),
});
type Query = typeof query extends fc.Arbitrary<infer T> ? T : never;

const gateways = new Map<string, GatewayHarness>();
beforeAll(async () => {
  let stubs: GatewayHarness['stubs'] | undefined;
  for (const gatewayRegion of IDS) {
    const harness = await GatewayHarness.start({
      regions: REGIONS,
      groups: [],
      gatewayRegion,
      ...(stubs && { stubs }),
    });
    stubs ??= harness.stubs;
    gateways.set(gatewayRegion, harness);
  }
});
afterAll(async () => {
  for (const harness of [...gateways.values()].reverse()) await harness.stop();
});

function harnessOf(id: string): GatewayHarness {
  const harness = gateways.get(id);
  if (harness === undefined) throw new Error(`no gateway ${id}`);
  return harness;
}

/** Keys of a query: each names its group and, with a region-valued key, the region that it is pinned to. */
function keysOf({ homes, groups }: Query, all: readonly Pinning[]): Record<string, readonly string[]> {
  const keys: Record<string, readonly string[]> = {};
  for (const { group, residence } of all) {
    if (!groups.includes(group.name)) continue;
    keys[`${group.name}_key`] = homes.map((home, i) => `for-${group.name}-in-${home}-${i}`);
    if (residence) keys[`${group.name}_home`] = homes;
  }
  return keys;
}

test('no request that reaches a region holds a key pinned elsewhere, and a gateway outside the gateway set contacts nobody (R7)', async () => {
  let contacts = 0;
  let silent = 0;
  await fc.assert(
    fc.asyncProperty(
      world,
      fc.array(outage, { minLength: 4, maxLength: 4 }),
      query,
      async (all, outages, asked) => {
        const harness = harnessOf(asked.gateway);
        const stubs = IDS.map(id => harness.stub(id));
        for (const [index, stub] of stubs.entries()) {
          stub.requests.length = 0;
          stub.behaviour = outages[index] ?? { kind: 'right' };
        }
        await harness.change(
          all.map(one => one.group),
          all.flatMap(one => one.policy ?? []),
        );
        const features = asked.groups.map(
          name => `${all.find(one => one.group.name === name)?.group.home}/${name}:a`,
        );
        const request = { features, keys: keysOf(asked, all), consistency: asked.consistency };
        const reply = asked.overHttp
          ? await harness.read(request)
          : await harness.graphql(
              'query ($features: [String!], $keys: JSON!, $consistency: JSON) { online(features: $features, keys: $keys, consistency: $consistency) { results { region columns } } }',
              request,
            );
        const seen = stubs.flatMap(stub => stub.requests.map(one => ({ stub, one })));
        for (const { stub, one } of seen) {
          expect(violations(one, stub.id, asked.gateway, all)).toEqual([]);
          expect(one.claims.gatewayRegion).toBe(asked.gateway);
        }
        for (const stub of stubs) expect(stub.faults).toEqual([]);
        const reachable = all.some(
          one =>
            asked.groups.includes(one.group.name) &&
            placementOf(one).some(holder => mayCarry(one, holder, asked.gateway)),
        );
        if (!reachable) expect(seen).toEqual([]);
        expect([200, 421, 403, 422, 503]).toContain(reply.status);
        if (seen.length === 0) silent += 1;
        contacts += seen.length;
      },
    ),
    {
      numRuns: 250,
      ...(process.env['FEATUREMESH_SEED'] === undefined
        ? {}
        : { seed: Number(process.env['FEATUREMESH_SEED']) }),
    },
  );
  for (const harness of gateways.values()) expect(harness.logged.join('')).not.toContain('for-');
  // The property means something only where many requests were made and many were not.
  expect(contacts).toBeGreaterThan(60);
  expect(silent).toBeGreaterThan(20);
}, 120_000);

test('the oracle notices a key at the wrong region', () => {
  const sketch: Pinning = {
    residence: true,
    group: { name: 'alpha', home: 'eu-west-1', mode: 'local', regions: IDS },
    policy: { group: 'eu-west-1/alpha', regions: IDS, rows: 'origin', egress: 'local-only' },
  };
  const body = `{"g":"${groupIdOf('eu-west-1', 'alpha')}","key":"for-alpha-in-eu-west-1-0"}`;
  const request = {
    body,
    query: '',
    references: [],
    claims: { gatewayRegion: 'eu-west-1' },
  } as unknown as SeenRequest;
  expect(violations(request, 'us-east-1', 'us-east-1', [sketch])).toEqual([
    'alpha: a key pinned to eu-west-1 reached us-east-1',
  ]);
  expect(violations(request, 'eu-west-1', 'us-east-1', [sketch])).toEqual([
    'alpha: us-east-1 is outside the gateway set of eu-west-1',
  ]);
  expect(violations(request, 'eu-west-1', 'eu-west-1', [sketch])).toEqual([]);
});
