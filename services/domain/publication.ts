import { type CatalogueEntry, serialOf } from './catalogue-entry.ts';
import { Catalogue } from './catalogue-lookup.ts';
import { opaqueForm, rangesOf, type ViewEntry } from './catalogue-view.ts';
import type { CatalogueGroup, CatalogueService } from './feature-group.ts';
import type { CatalogueEntity, MeshState } from './mesh-state.ts';
import { Placements } from './placement.ts';
import type { PolicyRecord, Visibility } from './policy.ts';
import { matchesGroup } from './policy-rules.ts';
import type { RegionId } from './region-id.ts';
import { visibilityTo } from './visibility.ts';

/** What a home region publishes to one receiver: the view first, then every own entry that it lists, by sequence. */
export interface Publication {
  readonly view: ViewEntry;
  readonly entries: readonly CatalogueEntry[];
}

/** What a publication is judged by: the home's own state and all entries that its registry holds. */
export interface PublicationWorld {
  readonly state: MeshState;
  readonly entries: readonly CatalogueEntry[];
  readonly nowMs: number;
}

/**
 * What of its own entries the region that knows `state` may tell `receiver` (C1): pure. No name of a group travels where the group is
 * not fully visible, nor what would give it away: policies, services and derived groups that name it, entities that only it uses.
 */
export function publicationTo(receiver: RegionId, world: PublicationWorld): Publication {
  const { state, nowMs } = world;
  const own = world.entries.filter(entry => entry.home === state.region && entry.kind !== 'view');
  const judge = new Disclosure(receiver, state, nowMs);
  const classes = new Map(own.map(entry => [serialOf(entry), judge.of(entry)]));
  const serials = [...classes.keys()].sort((a, b) => a - b);
  const told = own.flatMap(entry => {
    const visibility = classes.get(serialOf(entry));
    if (visibility === 'full') return [entry];
    return visibility === 'opaque' && entry.kind === 'group' ? [opaqueForm(entry)] : [];
  });
  const view: ViewEntry = {
    kind: 'view',
    home: state.region,
    sequence: state.revision,
    view: {
      datesPassed: datesPassed(world.entries, nowMs),
      through: serials.at(-1) ?? 0,
      policyEpoch: told.reduce(
        (highest, entry) => (entry.kind === 'policy' ? Math.max(highest, entry.policy.epoch) : highest),
        0,
      ),
      full: rangesOf(serials, serial => classes.get(serial) === 'full'),
      opaque: rangesOf(serials, serial => classes.get(serial) === 'opaque'),
    },
  };
  return { view, entries: told.toSorted((a, b) => a.sequence - b.sequence) };
}

/** Effective dates of all known policies that lie at or before `nowMs`: rises by time alone while a revision lasts. */
export function datesPassed(entries: readonly CatalogueEntry[], nowMs: number): number {
  let passed = 0;
  for (const entry of entries) {
    if (entry.kind !== 'policy') continue;
    const { from, until } = entry.policy.document.effective;
    if (Date.parse(from) <= nowMs) passed += 1;
    if (until !== null && Date.parse(until) <= nowMs) passed += 1;
  }
  return passed;
}

/** The groups of the state's own home that `receiver` may hold rows of but would not be told, with what stands in the way. */
export function withheldFromHolders(
  state: MeshState,
  nowMs: number,
): readonly { readonly group: string; readonly region: RegionId }[] {
  const placements = new Placements(state);
  return state.regions.flatMap(({ id: region }) => {
    if (region === state.region) return [];
    const judge = new Disclosure(region, state, nowMs);
    return state.groups
      .filter(group => group.definition.homeRegion === state.region)
      .filter(group => placements.of(group, nowMs).placement.includes(region))
      .filter(group => judge.group(group) !== 'full')
      .map(({ definition: { homeRegion, name } }) => ({ group: `${homeRegion}/${name}`, region }));
  });
}

/** What one receiver may know, as the region that knows the state judges it. */
class Disclosure {
  readonly #receiver: RegionId;
  readonly #state: MeshState;
  readonly #catalogue: Catalogue;
  readonly #classes = new Map<string, Visibility>();
  readonly #placements: Placements;
  readonly #nowMs: number;

  constructor(receiver: RegionId, state: MeshState, nowMs: number) {
    this.#receiver = receiver;
    this.#state = state;
    this.#catalogue = new Catalogue(state);
    const placements = new Placements(state, this.#catalogue);
    this.#placements = placements;
    this.#nowMs = nowMs;
    for (const group of state.groups) {
      const { homeRegion } = group.definition;
      const placement = placements.of(group, nowMs);
      this.#classes.set(keyOf(group), visibilityTo(placement, homeRegion, receiver));
    }
    // Whoever may not know a policy or an input of a group could not judge the group, so it is not told that one either.
    while (this.#degrade());
  }

  of(entry: CatalogueEntry): Visibility {
    switch (entry.kind) {
      case 'region':
      case 'take-over':
        return 'full';
      case 'registry-mode':
        return entry.record.approved ? 'full' : 'hidden';
      case 'group':
        return this.group(entry.group);
      case 'policy':
        return entry.policy.epoch > 0 && this.#policy(entry.policy) ? 'full' : 'hidden';
      case 'entity':
        return this.#entity(entry.entity) ? 'full' : 'hidden';
      case 'service':
        return this.#service(entry.service) ? 'full' : 'hidden';
      case 'opaque-group':
      case 'view':
        return 'hidden';
    }
  }

  /** A group that does not stand is told as one that does, so that it is reported wherever it came. */
  group(group: CatalogueGroup): Visibility {
    const known = this.#classes.get(keyOf(group));
    if (known !== undefined) return known;
    const placement = this.#placements.of(group, this.#nowMs);
    const visibility = visibilityTo(placement, group.definition.homeRegion, this.#receiver);
    return visibility === 'full' && placement.visibility !== 'full' ? 'opaque' : visibility;
  }

  /** True where something was degraded. */
  #degrade(): boolean {
    const { groups, policies } = this.#state;
    const unsayable = policies.filter(one => !this.#sayable(one));
    const lost = groups.filter(group => {
      if (group.definition.homeRegion === this.#receiver || this.group(group) !== 'full') return false;
      const { inputs } = group.definition;
      return (
        unsayable.some(({ document }) => matchesGroup(document, group)) ||
        (inputs !== 'external' && inputs.some(input => !this.#inputKnown(input, group)))
      );
    });
    for (const group of lost) this.#classes.set(keyOf(group), 'opaque');
    return lost.length > 0;
  }

  #inputKnown(reference: string, of: CatalogueGroup): boolean {
    const input = this.#catalogue.group(reference, of.definition.homeRegion);
    return input.ok && this.group(input.value) === 'full';
  }

  /** Told without the version that replaces it, a policy would be taken to be in force still. */
  #policy(record: PolicyRecord): boolean {
    const { home, name, version } = record.document;
    const newer = this.#state.policies.filter(
      ({ document, epoch }) =>
        document.home === home && document.name === name && document.version > version && epoch > 0,
    );
    return [record, ...newer.filter(one => this.#hasBegun(one))].every(one => this.#sayable(one));
  }

  #hasBegun({ document }: PolicyRecord): boolean {
    return Date.parse(document.effective.from) <= this.#nowMs;
  }

  /** Whether all names that the policy writes may be known. */
  #sayable({ document }: PolicyRecord): boolean {
    const { groups, entities, tags } = document.select;
    return (
      groups.every(reference => this.#nameKnown(reference)) &&
      entities.every(name => this.#entityKnown(document.home, name)) &&
      tags.every(tag => this.#tagKnown(document.home, tag))
    );
  }

  /** A name that no group has yet is as secret as the policies that write it. */
  #nameKnown(reference: string): boolean {
    const [home = '', name = ''] = reference.split('/');
    const versions = this.#catalogue.versions(home, name);
    if (versions.length > 0) return versions.some(group => this.group(group) === 'full');
    return this.#openInAll(home, ({ select }) => select.groups.includes(reference));
  }

  #entityKnown(home: RegionId, name: string): boolean {
    const users = this.#ownGroups(home).filter(group => group.definition.entities.includes(name));
    if (users.length > 0) return users.some(group => this.group(group) === 'full');
    return this.#openInAll(home, ({ select }) => select.entities.includes(name));
  }

  #tagKnown(home: RegionId, tag: string): boolean {
    const users = this.#ownGroups(home).filter(group => group.definition.tags.includes(tag));
    if (users.length > 0) return users.some(group => this.group(group) === 'full');
    return this.#openInAll(home, ({ select }) => select.tags.includes(tag));
  }

  #openInAll(home: string, names: (document: PolicyRecord['document']) => boolean): boolean {
    return this.#state.policies.every(
      ({ document }) => document.home !== home || document.visibility === 'full' || !names(document),
    );
  }

  #ownGroups(home: RegionId): readonly CatalogueGroup[] {
    return this.#state.groups.filter(group => group.definition.homeRegion === home);
  }

  #entity({ homeRegion, definition }: CatalogueEntity): boolean {
    return this.#receiver === homeRegion || this.#entityKnown(homeRegion, definition.name);
  }

  #service({ resolved }: CatalogueService): boolean {
    return resolved.every(({ groupId, groupVersion }) => {
      const group = this.#catalogue.groupById(groupId, groupVersion);
      return group !== undefined && this.group(group) === 'full';
    });
  }
}

const keyOf = ({ id, version }: CatalogueGroup): string => `${id}@${version}`;
