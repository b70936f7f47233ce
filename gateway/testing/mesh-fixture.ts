import type {
  CatalogueGroup,
  CatalogueService,
  GroupId,
  JoinKey,
  SyncMode,
} from '@featuremesh/domain/feature-group';
import type { MeshState, RegionInfo } from '@featuremesh/domain/mesh-state';
import type { EgressClass, PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';

/** A group for tests, by the facts that routing depends on; everything else has a plain value. */
export interface GroupSketch {
  readonly name: string;
  readonly home: string;
  readonly mode?: SyncMode;
  readonly regions?: readonly string[];
  readonly joinKeys?: readonly JoinKey[];
  readonly features?: readonly string[];
  readonly version?: number;
  readonly aliases?: readonly string[];
  readonly tags?: readonly string[];
  readonly owner?: string;
  readonly description?: string;
}

/** A policy for tests that selects one group by `home/name`. */
export interface PolicySketch {
  readonly group: string;
  readonly regions: readonly string[];
  readonly rows?: 'shared' | 'origin';
  readonly egress?: EgressClass;
  readonly readers?: readonly string[];
}

/** An opaque group id that depends on the name and home only. */
export function groupIdOf(home: string, name: string): GroupId {
  const letters = [...`${name}${home}`].map(
    character => 'abcdefghijklmnopqrstuvwxyz234567'[(character.codePointAt(0) ?? 0) & 31],
  );
  return letters.join('').padEnd(16, 'a').slice(0, 16) as GroupId;
}

/** Builds a catalogue group. */
export function groupOf(sketch: GroupSketch): CatalogueGroup {
  const home = regionId(sketch.home);
  const features = (sketch.features ?? ['a', 'b']).map(name => ({
    name,
    type: { kind: 'scalar', scalar: 'string' } as const,
    nullable: true,
  }));
  return {
    id: groupIdOf(sketch.home, sketch.name),
    version: sketch.version ?? 1,
    revision: 1,
    schemaHash: '00',
    definition: {
      name: sketch.name,
      homeRegion: home,
      entities: [`${sketch.name}_entity`],
      tags: sketch.tags ?? [],
      inputs: 'external',
      sync: {
        mode: sketch.mode ?? 'active-active',
        regions: (sketch.regions ?? [sketch.home]).map(regionId),
      },
      features,
      state: 'active',
      ...(sketch.owner === undefined ? {} : { owner: sketch.owner }),
      ...(sketch.description === undefined ? {} : { description: sketch.description }),
    },
    joinKeys: sketch.joinKeys ?? [{ name: 'key', type: 'string' }],
    subject: false,
    revisions: [features],
    aliases: sketch.aliases ?? ['production', 'latest'],
  };
}

/** Builds an approved policy in force. */
export function policyOf(sketch: PolicySketch): PolicyRecord {
  const [home = ''] = sketch.group.split('/');
  const document: PolicyDocument = {
    name: sketch.group.replace('/', '-'),
    home: regionId(home),
    version: 1,
    select: { groups: [sketch.group], tags: [], entities: [] },
    allowed: { regions: sketch.regions.map(regionId), jurisdictions: [] },
    rows: sketch.rows ?? 'shared',
    egress: sketch.egress ?? 'local-only',
    readers: { jurisdictions: sketch.readers ?? null, purposes: null },
    visibility: 'full',
    maxPolicyAgeMs: null,
    basis: { kind: 'none', ref: '', expires: null },
    effective: { from: '2020-01-01T00:00:00Z', until: null },
  };
  const hash = Buffer.from(sketch.group).toString('hex').padEnd(64, '0').slice(0, 64);
  return { document, hash, signatures: [], epoch: 1 };
}

/** Builds a region. */
export function regionOf(id: string, jurisdiction: string, publicUrl: string, publicKey = ''): RegionInfo {
  const publicGatewayUrl = `https://gateway.${id}.example.com`;
  return { id: regionId(id), jurisdiction, cloud: 'test', publicUrl, publicGatewayUrl, publicKey };
}

/** Builds the state that `region` knows. */
export function stateOf(
  region: string,
  parts: {
    readonly regions: readonly RegionInfo[];
    readonly groups: readonly CatalogueGroup[];
    readonly policies?: readonly PolicyRecord[];
    readonly services?: readonly CatalogueService[];
    readonly revision?: number;
  },
): MeshState {
  const homes = parts.groups.map(group => group.definition.homeRegion);
  return {
    revision: parts.revision ?? 1,
    region: regionId(region) satisfies RegionId,
    regions: parts.regions.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    groups: parts.groups,
    opaqueGroups: [],
    services: parts.services ?? [],
    entities: parts.groups.map((group, index) => ({
      homeRegion: homes[index] ?? regionId(region),
      definition: {
        name: group.definition.entities[0] ?? '',
        joinKeys: group.joinKeys,
        subject: false,
      },
    })),
    policies: parts.policies ?? [],
    policyEpochs: {},
    policyConfirmedAtMs: {},
  };
}
