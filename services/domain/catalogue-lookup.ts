import type { CatalogueGroup, CatalogueService, EntityDefinition } from './feature-group.ts';
import { type GroupReference, parseGroupReference } from './group-reference.ts';
import type { MeshState } from './mesh-state.ts';
import { problem } from './problem.ts';
import type { RegionId } from './region-id.ts';
import { fail, ok, type Result } from './result.ts';

/** Finds groups, services and entities of one mesh state by reference or id; build it once per state, lookups are map reads. */
export class Catalogue {
  readonly #region: RegionId;
  /** name → home → versions, ascending. */
  readonly #groups: ReadonlyMap<string, ReadonlyMap<string, readonly CatalogueGroup[]>>;
  readonly #services: ReadonlyMap<string, ReadonlyMap<string, readonly CatalogueService[]>>;
  readonly #byId: ReadonlyMap<string, CatalogueGroup>;
  readonly #entities: ReadonlyMap<string, EntityDefinition>;

  constructor(state: MeshState) {
    this.#region = state.region;
    this.#groups = index(state.groups);
    this.#services = index(state.services);
    this.#byId = new Map(state.groups.map(group => [`${group.id}@${group.version}`, group]));
    this.#entities = new Map(
      state.entities.map(({ homeRegion, definition }) => [`${homeRegion}/${definition.name}`, definition]),
    );
  }

  /** Resolves `[home/]group[@vN]`; a bare name means the own region's, then a unique one elsewhere; no version means `production`. */
  group(ref: string, ownRegion: RegionId = this.#region): Result<CatalogueGroup> {
    const parsed = parseGroupReference(ref);
    if (parsed === undefined) return fail(problem('UNKNOWN_GROUP', `${quote(ref)} is not a group reference`));
    const found = pick(this.#groups, parsed, ownRegion, 'UNKNOWN_GROUP', 'feature group');
    if (!found.ok) return found;
    const version = versionOf(found.value, parsed);
    return version === undefined
      ? fail(problem('UNKNOWN_VERSION', `${quote(ref)} has no such version`))
      : ok(version);
  }

  /** The group of this opaque id and version. */
  groupById(id: string, version: number): CatalogueGroup | undefined {
    return this.#byId.get(`${id}@${version}`);
  }

  /** All versions of `home/name`, ascending; empty where there is none. */
  versions(home: string, name: string): readonly CatalogueGroup[] {
    return this.#groups.get(name)?.get(home) ?? [];
  }

  /** Resolves `[home/]service[@vN]`; without a version the newest. */
  service(ref: string, ownRegion: RegionId = this.#region): Result<CatalogueService> {
    const parsed = parseGroupReference(ref);
    if (parsed === undefined)
      return fail(problem('UNKNOWN_SERVICE', `${quote(ref)} is not a service reference`));
    const found = pick(this.#services, parsed, ownRegion, 'UNKNOWN_SERVICE', 'feature service');
    if (!found.ok) return found;
    const service =
      parsed.version === undefined
        ? found.value.at(-1)
        : found.value.find(candidate => candidate.version === parsed.version);
    return service === undefined
      ? fail(problem('UNKNOWN_VERSION', `${quote(ref)} has no such version`))
      : ok(service);
  }

  /** The entity that `home`'s registry holds under this name. */
  entity(home: string, name: string): EntityDefinition | undefined {
    return this.#entities.get(`${home}/${name}`);
  }
}

interface Named {
  readonly version: number;
  readonly definition: { readonly name: string; readonly homeRegion: RegionId };
}

function index<T extends Named>(items: readonly T[]): ReadonlyMap<string, ReadonlyMap<string, readonly T[]>> {
  const names = new Map<string, Map<string, T[]>>();
  for (const item of items.toSorted((a, b) => a.version - b.version)) {
    const { name, homeRegion } = item.definition;
    const homes = names.get(name) ?? new Map<string, T[]>();
    names.set(name, homes.set(homeRegion, [...(homes.get(homeRegion) ?? []), item]));
  }
  return names;
}

function pick<T extends Named>(
  names: ReadonlyMap<string, ReadonlyMap<string, readonly T[]>>,
  reference: GroupReference,
  ownRegion: RegionId,
  unknown: 'UNKNOWN_GROUP' | 'UNKNOWN_SERVICE',
  what: string,
): Result<readonly T[]> {
  const homes = names.get(reference.name);
  const own = homes?.get(reference.home ?? ownRegion);
  if (own !== undefined) return ok(own);
  if (homes === undefined || reference.home !== undefined) {
    const where = reference.home === undefined ? '' : `${reference.home}/`;
    return fail(problem(unknown, `There is no ${what} ${quote(where + reference.name)}`));
  }
  const [first, second] = homes.values();
  if (first !== undefined && second === undefined) return ok(first);
  const candidates = [...homes.keys()].sort().map(home => `${home}/${reference.name}`);
  return fail(
    problem('AMBIGUOUS_NAME', `${quote(reference.name)} names several: ${candidates.join(', ')}`, {
      extra: { candidates },
    }),
  );
}

function versionOf(
  versions: readonly CatalogueGroup[],
  reference: GroupReference,
): CatalogueGroup | undefined {
  if (reference.version !== undefined) return versions.find(group => group.version === reference.version);
  if (reference.alias === 'latest') return versions.at(-1);
  return versions.find(group => group.aliases.includes('production'));
}

/** At most 200 characters of the text in quotes, so that an error never repeats a huge input. */
function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
