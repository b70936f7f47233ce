import { KeyEncoder } from '@featuremesh/domain/entity-key';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { type GroupPlacement, policyIsStale } from '@featuremesh/domain/placement';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { RowPacker } from '@featuremesh/domain/row-packer';
import type { Clock } from '@featuremesh/runtime/clock';
import type { TableRef } from '../ports/online-store.ts';
import type { HeldGroups, TableLookup } from './held-groups.ts';
import { type Int64Names, int64Names } from './json-rows.ts';

/** Compiled group revisions kept; beyond it all are dropped, since a catalogue that large changes anyway. */
const MAX_COMPILED = 1_024;

/** What depends on a group revision only, made once. */
interface CompiledGroup {
  readonly keys: KeyEncoder;
  readonly packer: RowPacker;
  readonly int64: Int64Names | undefined;
  /** The join key whose value names the region that holds the row. */
  readonly regionKey: string | undefined;
}

/** All that a write of one group needs, resolved once per request. */
export interface WriteTarget extends CompiledGroup {
  readonly group: CatalogueGroup;
  readonly placement: GroupPlacement;
  readonly table: TableRef;
}

/** Resolves group references for writing, from memory. */
export class WriteTargets {
  readonly #groups: HeldGroups;
  readonly #tables: TableLookup;
  readonly #region: RegionId;
  readonly #clock: Clock;
  readonly #compiled = new Map<string, CompiledGroup>();

  constructor(options: { groups: HeldGroups; tables: TableLookup; region: RegionId; clock: Clock }) {
    this.#groups = options.groups;
    this.#tables = options.tables;
    this.#region = options.region;
    this.#clock = options.clock;
  }

  /**
   * The target of a reference. Throws a ProblemError: UNKNOWN_GROUP, UNKNOWN_VERSION, AMBIGUOUS_NAME, GROUP_RETIRED,
   * WRITE_REFUSED_BY_POLICY, POLICY_STALE, or NOT_ENFORCED_YET while the region is still making room for the group.
   */
  resolve(reference: string): WriteTarget {
    const found = this.#groups.catalogue().group(reference, this.#region);
    if (!found.ok) throw new ProblemError(found.problem);
    const group = found.value;
    const placement = this.assertPermitted(group);
    const { name } = group.definition;
    const table = this.#tables.tableFor(group.id, group.version);
    if (table === undefined)
      throw new ProblemError(problem('NOT_ENFORCED_YET', `the region is not ready for ${name} yet`));
    return { ...this.#compile(group), group, placement, table };
  }

  /** Whether the group may be written here now; a stream asks for every chunk, since policy may change under it. Throws as `resolve`. */
  assertPermitted(group: CatalogueGroup): GroupPlacement {
    const { name } = group.definition;
    if (group.definition.state === 'retired')
      throw new ProblemError(problem('GROUP_RETIRED', `${name} is retired`));
    const placement = this.#groups.placementOf(group);
    if (!placement.placement.includes(this.#region))
      throw new ProblemError(
        problem('WRITE_REFUSED_BY_POLICY', `rows of ${name} may not be held in ${this.#region}`),
      );
    if (policyIsStale(placement, this.#groups.state(), this.#clock.nowMs()))
      throw new ProblemError(problem('POLICY_STALE', `the policy of ${name} has not been confirmed in time`));
    return placement;
  }

  #compile(group: CatalogueGroup): CompiledGroup {
    const id = `${group.id}@${group.version}@${group.revision}`;
    const known = this.#compiled.get(id);
    if (known !== undefined) return known;
    if (this.#compiled.size >= MAX_COMPILED) this.#compiled.clear();
    const compiled = {
      keys: new KeyEncoder(group.joinKeys),
      packer: new RowPacker(group.definition.features, group.revision, this.#region),
      int64: int64Names(group),
      regionKey: group.joinKeys.find(key => key.role === 'region')?.name,
    };
    this.#compiled.set(id, compiled);
    return compiled;
  }
}
