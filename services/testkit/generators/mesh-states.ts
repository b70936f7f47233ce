import { createHash } from 'node:crypto';
import type { CatalogueGroup, GroupId, JoinKey } from '@featuremesh/domain/feature-group';
import type { MeshState, RegionInfo } from '@featuremesh/domain/mesh-state';
import type { PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import { EGRESS_CLASSES, VISIBILITIES } from '@featuremesh/domain/policy';
import { policyHashText } from '@featuremesh/domain/policy-rules';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import fc from 'fast-check';

/** The instant around which generated policies begin and end, ms since the Unix epoch. */
export const GENERATED_NOW_MS = Date.parse('2026-06-01T00:00:00Z');

const PLACES = [
  ['us-east-1', 'US'],
  ['us-west-2', 'US'],
  ['eu-west-1', 'EU'],
  ['eu-north-1', 'EU'],
  ['ap-south-1', 'IN'],
] as const;

/** Region ids that generated meshes draw from, in a fixed order. */
export const GENERATED_REGIONS: readonly RegionId[] = PLACES.map(([id]) => regionId(id));

/** Jurisdictions of those regions. */
const GENERATED_JURISDICTIONS = ['US', 'EU', 'IN'] as const;

/** A region of a test mesh with made-up addresses. */
function testRegion(id: string, jurisdiction: string): RegionInfo {
  return {
    id: regionId(id),
    jurisdiction,
    cloud: 'test',
    publicUrl: `https://${id}.example`,
    publicGatewayUrl: `https://gateway.${id}.example`,
    publicKey: '',
  };
}

/** A group of a test mesh: one string join key unless others are given, one float64 feature, `production` at version 1. */
export function testGroup(
  options: Partial<CatalogueGroup['definition']> & {
    joinKeys?: readonly JoinKey[];
    version?: number;
    id?: string;
  },
): CatalogueGroup {
  const { joinKeys = [{ name: 'k', type: 'string' }], version = 1, id, ...definition } = options;
  const name = definition.name ?? 'g';
  const homeRegion = definition.homeRegion ?? regionId('us-east-1');
  const features = definition.features ?? [
    { name: 'a', type: { kind: 'scalar', scalar: 'float64' }, nullable: true },
  ];
  return {
    id: (id ??
      `${name}${homeRegion}`
        .replaceAll(/[^a-z2-7]/g, '')
        .padEnd(16, 'a')
        .slice(0, 16)) as GroupId,
    version,
    revision: 1,
    schemaHash: '',
    definition: {
      entities: ['e'],
      tags: [],
      inputs: 'external',
      sync: { mode: 'local', regions: [homeRegion] },
      state: 'active',
      ...definition,
      name,
      homeRegion,
      features,
    },
    joinKeys,
    subject: false,
    revisions: [features],
    aliases: ['production', 'latest'],
  };
}

/** An approved policy in force since 2026, with the strictest defaults. */
export function testPolicy(options: Partial<PolicyDocument>, epoch = 1): PolicyRecord {
  const document: PolicyDocument = {
    name: 'p',
    home: regionId('us-east-1'),
    version: 1,
    select: { groups: [], tags: [], entities: [] },
    allowed: { regions: [], jurisdictions: [] },
    rows: 'origin',
    egress: 'local-only',
    readers: { jurisdictions: null, purposes: null },
    visibility: 'full',
    maxPolicyAgeMs: null,
    basis: { kind: 'none', ref: '', expires: null },
    effective: { from: '2026-01-01T00:00:00Z', until: null },
    ...options,
  };
  return { document, hash: policyHash(document), signatures: [], epoch };
}

/** A state of region us-east-1 with all generated regions and nothing else, unless given. */
export function testState(parts: Partial<MeshState>): MeshState {
  return {
    revision: 1,
    region: regionId('us-east-1'),
    regions: PLACES.map(([id, jurisdiction]) => testRegion(id, jurisdiction)),
    groups: [],
    opaqueGroups: [],
    services: [],
    entities: [],
    policies: [],
    policyEpochs: {},
    policyConfirmedAtMs: {},
    ...parts,
  };
}

function policyHash(document: PolicyDocument): string {
  return createHash('sha256').update(policyHashText(document)).digest('hex');
}

const regions = (minLength = 0) => fc.subarray([...GENERATED_REGIONS], { minLength });
const oneRegion = fc.constantFrom(...GENERATED_REGIONS);
const purposes = fc.subarray(['ads', 'fraud', 'operations']);
const day = (offset: number) =>
  new Date(GENERATED_NOW_MS + offset * 86_400_000).toISOString().replace('.000Z', 'Z');

/** Policy documents that select some of the named groups (`home/name`) of one home. */
export function policyDocuments(groupNames: readonly string[]): fc.Arbitrary<PolicyDocument> {
  return fc
    .record({
      home: oneRegion,
      name: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
      version: fc.integer({ min: 1, max: 3 }),
      groups: fc.subarray([...groupNames]),
      entities: fc.subarray(['e', 'f'], { maxLength: 1 }),
      byJurisdiction: fc.boolean(),
      regions: regions(1),
      jurisdictions: fc.subarray([...GENERATED_JURISDICTIONS], { minLength: 1 }),
      rows: fc.constantFrom('shared' as const, 'origin' as const),
      egress: fc.constantFrom(...EGRESS_CLASSES),
      readerJurisdictions: fc.option(fc.subarray([...GENERATED_JURISDICTIONS])),
      readerPurposes: fc.option(purposes),
      visibility: fc.constantFrom(...VISIBILITIES),
      maxPolicyAgeMs: fc.option(fc.constantFrom(1_000, 60_000)),
      from: fc.constantFrom(-10, -10, -10, -1, 5),
      until: fc.option(fc.constantFrom(-1, 3, 10), { freq: 4 }),
    })
    .map(drawn => ({
      name: drawn.name,
      home: drawn.home,
      version: drawn.version,
      select: {
        groups: drawn.groups.filter(group => group.startsWith(`${drawn.home}/`)),
        tags: [],
        entities: drawn.entities,
      },
      allowed: drawn.byJurisdiction
        ? { regions: [], jurisdictions: drawn.jurisdictions }
        : { regions: drawn.regions, jurisdictions: [] },
      rows: drawn.rows,
      egress: drawn.egress,
      readers: { jurisdictions: drawn.readerJurisdictions, purposes: drawn.readerPurposes },
      visibility: drawn.visibility,
      maxPolicyAgeMs: drawn.maxPolicyAgeMs,
      basis: { kind: 'none', ref: '', expires: null },
      effective: { from: day(drawn.from), until: drawn.until === null ? null : day(drawn.until) },
    }));
}

const groupDrafts = fc.array(
  fc.record({
    home: oneRegion,
    mode: fc.constantFrom('local' as const, 'active-active' as const),
    regions: regions(1),
    inputs: fc.array(fc.nat(9), { maxLength: 2 }),
    entity: fc.constantFrom('e', 'f'),
    regionKey: fc.boolean(),
  }),
  { minLength: 1, maxLength: 5 },
);

type GroupDraft = typeof groupDrafts extends fc.Arbitrary<(infer Draft)[]> ? Draft : never;

/** Groups are named g0, g1, …; inputs only point at earlier ones, so that there is no cycle. */
function groupsOf(drafts: readonly GroupDraft[]): CatalogueGroup[] {
  return drafts.map((draft, i) => {
    const inputs = [...new Set(draft.inputs.filter(at => at < i))].map(at => `${drafts[at]?.home}/g${at}`);
    return testGroup({
      id: `${'abcdefghij'[i]}`.padEnd(16, 'a'),
      name: `g${i}`,
      homeRegion: draft.home,
      entities: [draft.entity],
      inputs: inputs.length > 0 ? inputs : 'external',
      sync: { mode: draft.mode, regions: draft.regions },
      joinKeys: [
        { name: 'k', type: 'string' },
        ...(draft.regionKey ? [{ name: 'where', type: 'string' as const, role: 'region' as const }] : []),
      ],
    });
  });
}

/** Meshes of five regions with 1–5 groups, derived ones among them, and up to 8 policies, some proposed, expired or to come. */
export const meshStates: fc.Arbitrary<MeshState> = groupDrafts.map(groupsOf).chain(groups => {
  const names = groups.map(({ definition }) => `${definition.homeRegion}/${definition.name}`);
  return fc
    .record({
      // A registry has one document of a home, name and version.
      policies: fc.uniqueArray(fc.tuple(policyDocuments(names), fc.constantFrom(0, 1, 2, 3)), {
        maxLength: 8,
        selector: ([{ home, name, version }]) => `${home}/${name}/${version}`,
      }),
      region: oneRegion,
      confirmed: fc.array(fc.constantFrom(0, 30_000, 100_000), { minLength: 5, maxLength: 5 }),
    })
    .map(({ policies, region, confirmed }) =>
      testState({
        region,
        groups,
        policies: policies.map(([document, epoch]) => testPolicy(document, epoch)),
        policyConfirmedAtMs: Object.fromEntries(
          GENERATED_REGIONS.map((id, i) => [id, GENERATED_NOW_MS - (confirmed[i] ?? 0)]),
        ),
      }),
    );
});

/** Callers with all, some or no jurisdictions and purposes, some of them naming one purpose. */
export const readCallers = fc
  .record({
    jurisdictions: fc.oneof(fc.constant('all' as const), fc.subarray([...GENERATED_JURISDICTIONS])),
    purposes: fc.oneof(fc.constant('all' as const), purposes),
    purpose: fc.option(fc.constantFrom('ads', 'fraud')),
  })
  .map(({ purpose, ...held }) => (purpose === null ? held : { ...held, purpose }));
