import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { parseFeatureType } from '@featuremesh/domain/feature-type';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import type { PolicyRecord, Visibility } from '@featuremesh/domain/policy';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import type { ExpectedGroup, ExpectedSecret } from '../checkers/evidence.ts';
import { testGroup, testPolicy } from '../generators/mesh-states.ts';

/** Most regions that a run may have. */
export const MAX_REGIONS = 5;

const PLACES = [
  ['us-east-1', 'US'],
  ['us-west-2', 'US'],
  ['eu-west-1', 'EU'],
  ['eu-north-1', 'EU'],
  ['ap-south-1', 'IN'],
] as const;

/** The regions of a run; the first is the home of everything. */
export function simulatedRegions(count: number): readonly RegionInfo[] {
  return PLACES.slice(0, count).map(([id, jurisdiction]) => ({
    id: regionId(id),
    jurisdiction,
    cloud: 'simulated',
    publicUrl: `https://${id}.example`,
    publicGatewayUrl: `https://gateway.${id}.example`,
    publicKey: '',
  }));
}

/** What a run knows of its groups: entries to tell, what they mean by hand, and the policy that tightens one of them. */
export interface SimulatedCatalogue {
  readonly home: RegionId;
  readonly entries: readonly CatalogueEntry[];
  readonly groups: readonly ExpectedGroup[];
  /** The group that a tightening takes from all but the first two regions. */
  readonly shrinking: ExpectedGroup;
  readonly tightening: readonly CatalogueEntry[];
  /** Defined at home only while the run goes on: other regions learn of it over CTL. */
  /** One after the other, each says anew what outsiders may know of the veiled group. */
  readonly unveilings: readonly (readonly CatalogueEntry[])[];
  readonly secrets: readonly ExpectedSecret[];
  readonly late: { readonly group: ExpectedGroup; readonly entries: readonly CatalogueEntry[] };
}

interface Shape {
  readonly name: string;
  readonly mode: 'local' | 'active-active';
  readonly rows: 'shared' | 'origin';
  readonly allowed: readonly RegionId[];
  readonly maxAgeMs?: number;
  readonly retentionMs?: number;
  readonly visibility?: Visibility;
}

/** What varies in a run's catalogue. */
export interface CatalogueVariants {
  /** What outsiders may know of the veiled group: at the start, then after each change. */
  readonly veils: readonly [Visibility, ...Visibility[]];
  /** Whether the tightening is in the run, and hides the group as well. */
  readonly tightens: boolean;
  readonly hides: boolean;
}

/** The catalogue of a run with these regions. */
export function simulatedCatalogue(
  regions: readonly RegionInfo[],
  { veils, tightens, hides }: CatalogueVariants,
): SimulatedCatalogue {
  const all = regions.map(({ id }) => id);
  const [home] = all;
  if (home === undefined) throw new RangeError('a run has at least one region');
  const two = all.slice(0, 2);
  const shared = { mode: 'active-active', rows: 'shared', allowed: all } as const;
  const everywhere: Shape = { ...shared, name: 'everywhere', maxAgeMs: 8_000 };
  const pair: Shape = { ...shared, name: 'pair', allowed: two };
  const kept: Shape = { ...shared, name: 'kept', mode: 'local' };
  const pinned: Shape = { ...shared, name: 'pinned', rows: 'origin' };
  const shrinking: Shape = { ...shared, name: 'shrinking' };
  const fading: Shape = { ...shared, name: 'fading', retentionMs: 8_000 };
  const late: Shape = { ...shared, name: 'late' };
  const [firstVeil, ...laterVeils] = veils;
  const veiled: Shape = { ...shared, name: VEILED_NAME, allowed: two, visibility: firstVeil };
  const shapes = [everywhere, pair, kept, pinned, shrinking, veiled, fading];
  const define = (shape: Shape, at: number): CatalogueEntry[] => [
    { kind: 'group', home, sequence: 2 * at + 1, group: groupOf(shape, home, all) },
    { kind: 'policy', home, sequence: 2 * at + 2, policy: policyOf(shape, home, 1, at + 1) },
  ];
  return {
    home,
    entries: shapes.flatMap(define),
    groups: shapes.map(expected),
    shrinking: expected(shrinking),
    tightening: [
      {
        kind: 'policy',
        home,
        sequence: 1_000,
        policy: policyOf(
          { ...shrinking, allowed: two, ...(hides ? { visibility: 'hidden' } : {}) },
          home,
          2,
          100,
        ),
      },
    ],
    unveilings: laterVeils.map((visibility, at) => [
      {
        kind: 'policy',
        home,
        sequence: 2_000 + at,
        policy: policyOf({ ...veiled, visibility }, home, 2 + at, 200 + at),
      },
    ]),
    secrets: [
      {
        ...secretOf(VEILED_NAME, veils, { all, two, known: visibility => visibility === 'full' }),
        mayAtEnd: [],
      },
      secretOf(groupIdOf(VEILED_NAME), veils, { all, two, known: visibility => visibility !== 'hidden' }),
      ...(tightens && hides ? ['shrinking-policy', 'all about shrinking'] : []).map(word => ({
        word,
        atEnd: two,
        mayAtEnd: [],
        never: [],
        givings: 1,
      })),
    ],
    late: { group: expected(late), entries: define(late, shapes.length) },
  };
}

/** The name that outsiders may or may not know; its group's id says nothing of it. */
export const VEILED_NAME = 'payroll';

/** By hand: who knows a word, where the first two regions always do and the others as the veils say, one after the other. A group's id stays. */
function secretOf(
  word: string,
  veils: readonly Visibility[],
  of: {
    readonly all: readonly RegionId[];
    readonly two: readonly RegionId[];
    readonly known: (visibility: Visibility) => boolean;
  },
): ExpectedSecret {
  const known = veils.map(of.known);
  const ever = known.includes(true) ? of.all : of.two;
  return {
    word,
    atEnd: known.at(-1) === true ? of.all : of.two,
    mayAtEnd: ever,
    never: of.all.filter(region => !ever.includes(region)),
    givings: Math.max(1, known.filter((is, at) => is && known[at - 1] !== true).length),
  };
}

function groupIdOf(name: string): string {
  return (name === VEILED_NAME ? 'veiled' : name).padEnd(16, 'a');
}

function expected({ name, mode, rows, allowed, maxAgeMs, retentionMs }: Shape): ExpectedGroup {
  return {
    groupId: groupIdOf(name),
    name,
    sharing: mode === 'local' || rows === 'origin' ? 'own' : 'shared',
    regions: allowed,
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(retentionMs === undefined ? {} : { retentionMs }),
  };
}

function groupOf(shape: Shape, home: RegionId, all: readonly RegionId[]): CatalogueGroup {
  const text = parseFeatureType('string');
  if (text === undefined) throw new TypeError('no string type');
  return testGroup({
    id: groupIdOf(shape.name),
    name: shape.name,
    homeRegion: home,
    sync: { mode: shape.mode, regions: all },
    features: ['label', 'note'].map(name => ({ name, type: text, nullable: true })),
    description: `all about ${shape.name}`,
    owner: `${shape.name}@example.com`,
    tags: [shape.name],
    ...(shape.maxAgeMs === undefined ? {} : { maxAgeMs: shape.maxAgeMs }),
    ...(shape.retentionMs === undefined ? {} : { retentionMs: shape.retentionMs }),
  });
}

function policyOf(shape: Shape, home: RegionId, version: number, epoch: number): PolicyRecord {
  return testPolicy(
    {
      name: `${shape.name}-policy`,
      home,
      version,
      select: { groups: [`${home}/${shape.name}`], tags: [], entities: [] },
      allowed: { regions: shape.allowed, jurisdictions: [] },
      rows: shape.rows,
      visibility: shape.visibility ?? 'full',
      effective: { from: '2020-01-01T00:00:00Z', until: null },
    },
    epoch,
  );
}
