import type { CatalogueGroup, GroupId } from '@featuremesh/domain/feature-group';
import { parseFeatureType } from '@featuremesh/domain/feature-type';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import type { TableRef } from '@featuremesh/feature-store/ports/online-store';

/** What a group of the write tests is made of; features are name → written type, `?` for nullable. */
export interface WorldGroup {
  readonly features: Readonly<Record<string, string>>;
  readonly joinKeys?: CatalogueGroup['joinKeys'];
  readonly mode?: 'local' | 'active-active';
  readonly regions?: readonly string[];
  readonly retentionMs?: number;
  readonly state?: 'active' | 'retired';
  readonly rows?: 'shared' | 'origin';
}

/** The region that the write tests run. */
export const WORLD_REGION = regionId('us-east-1');

const REGIONS = ['eu-west-1', 'us-east-1', 'us-west-2'].map(regionId);

/** A mesh state and its tables, held in memory: what the write path reads of the registry. */
export class WriteWorld {
  readonly registry: { state: () => MeshState };
  #state: MeshState;
  #tables = new Map<string, TableRef>();
  readonly #ids = new Map<string, string>();

  constructor(groups: Readonly<Record<string, WorldGroup>>) {
    this.#state = emptyState();
    this.registry = { state: () => this.#state };
    for (const [name, group] of Object.entries(groups)) this.define(name, group);
  }

  /** Adds a group with its policy and its table. */
  define(name: string, shape: WorldGroup): void {
    const group = groupOf(name, idOf(this.#state.groups.length), shape);
    this.#ids.set(name, group.id);
    const policy = policyOf(name, shape.rows ?? 'shared', this.#state.policies.length + 1);
    this.#state = {
      ...this.#state,
      revision: this.#state.revision + 1,
      groups: [...this.#state.groups, group],
      policies: [...this.#state.policies, policy],
    };
    this.#tables.set(`${group.id}/1`, { groupId: group.id, version: 1, generation: 1 });
  }

  idOf(name: string): string {
    return this.#ids.get(name) ?? '';
  }

  /** Retires a group, as a new state of the registry would. */
  retire(name: string): void {
    const groups = this.#state.groups.map(group =>
      group.definition.name === name
        ? { ...group, definition: { ...group.definition, state: 'retired' as const } }
        : group,
    );
    this.#state = { ...this.#state, revision: this.#state.revision + 1, groups };
  }

  /** Lets policy permit a group in these regions only, whatever its definition asks. */
  restrict(name: string, regions: readonly string[]): void {
    const policies = this.#state.policies.map(policy =>
      policy.document.name === `${name}-policy`
        ? {
            ...policy,
            hash: `${policy.hash}-restricted`,
            document: { ...policy.document, allowed: { regions: regions.map(regionId), jurisdictions: [] } },
          }
        : policy,
    );
    this.#state = { ...this.#state, revision: this.#state.revision + 1, policies };
  }

  /** Hides a table, as before the keeper has made it. */
  hideTable(name: string): void {
    this.#tables.delete(`${this.idOf(name)}/1`);
  }

  tableFor(groupId: string, version: number): TableRef | undefined {
    return this.#tables.get(`${groupId}/${version}`);
  }

  tables(): readonly TableRef[] {
    return [...this.#tables.values()];
  }

  tableOf(name: string): TableRef {
    return { groupId: this.idOf(name), version: 1, generation: 1 };
  }
}

function idOf(index: number): GroupId {
  return `group${'abcdefghijklmnop'[index] ?? 'q'}aaaaaaaaaa` as GroupId;
}

function emptyState(): MeshState {
  return {
    revision: 1,
    region: WORLD_REGION,
    regions: REGIONS.map(id => ({
      id,
      jurisdiction: id.startsWith('us') ? 'US' : 'EU',
      cloud: 'test',
      publicUrl: `http://${id}.example`,
      publicGatewayUrl: `http://gateway.${id}.example`,
      publicKey: '',
    })),
    groups: [],
    opaqueGroups: [],
    services: [],
    entities: [],
    policies: [],
    policyEpochs: {},
    policyConfirmedAtMs: {},
  };
}

function groupOf(name: string, id: GroupId, shape: WorldGroup): CatalogueGroup {
  const features = Object.entries(shape.features).map(([feature, written]) => {
    const type = parseFeatureType(written.replace('?', ''));
    if (type === undefined) throw new Error(`no type ${written}`);
    return { name: feature, type, nullable: written.endsWith('?') };
  });
  return {
    id,
    version: 1,
    revision: 1,
    schemaHash: '0'.repeat(32),
    definition: {
      name,
      homeRegion: WORLD_REGION,
      entities: ['thing'],
      tags: [],
      inputs: 'external',
      ...(shape.retentionMs === undefined ? {} : { retentionMs: shape.retentionMs }),
      sync: {
        mode: shape.mode ?? 'active-active',
        regions: (shape.regions ?? REGIONS) as readonly RegionId[],
      },
      features,
      state: shape.state ?? 'active',
    },
    joinKeys: shape.joinKeys ?? [{ name: 'id', type: 'string' }],
    subject: false,
    revisions: [features],
    aliases: ['production', 'latest'],
  };
}

function policyOf(name: string, rows: 'shared' | 'origin', epoch: number): MeshState['policies'][number] {
  return {
    document: {
      name: `${name}-policy`,
      home: WORLD_REGION,
      version: 1,
      select: { groups: [`${WORLD_REGION}/${name}`], tags: [], entities: [] },
      allowed: { regions: REGIONS, jurisdictions: [] },
      rows,
      egress: 'local-only',
      readers: { jurisdictions: null, purposes: null },
      visibility: 'full',
      maxPolicyAgeMs: null,
      basis: { kind: 'none', ref: '', expires: null },
      effective: { from: '2020-01-01T00:00:00Z', until: null },
    },
    hash: `hash-${name}`,
    signatures: [],
    epoch,
  };
}
