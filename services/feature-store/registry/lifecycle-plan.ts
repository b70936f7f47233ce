import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { type GroupReference, parseGroupReference } from '@featuremesh/domain/group-reference';
import { LineageGraph } from '@featuremesh/domain/lineage';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';

/** What a promotion or a retirement would write and what follows of it; nothing where it is so already. */
export interface LifecyclePlan {
  /** `home/name`. */
  readonly group: string;
  readonly entries: readonly CatalogueEntry[];
  readonly consequences: readonly string[];
  /** What the audit record says. */
  readonly what: string;
}

/**
 * Moves `production` to the version that a reference names, as one change of two entries; bare references follow, services keep what
 * they froze (A9). Problems: INVALID_REQUEST, UNKNOWN_…, NOT_HOME, GROUP_RETIRED, CONCURRENT_CHANGE.
 */
export function planPromotion(
  { group: reference, expectedVersion }: { group: string; expectedVersion?: number },
  state: MeshState,
): Result<LifecyclePlan> {
  const parsed = parseGroupReference(reference);
  if (parsed !== undefined && parsed.version === undefined && parsed.alias === undefined)
    return fail(problem('INVALID_REQUEST', `name the version to promote: ${reference}@vN`));
  const found = ownVersions(reference, parsed, state);
  if (!found.ok) return found;
  const { versions, named: next } = found.value;
  const name = nameOf(next);
  const current = versions.find(({ aliases }) => aliases.includes('production'));
  if (expectedVersion !== undefined && current?.version !== expectedVersion) {
    const detail = `\`production\` of ${name} is v${current?.version ?? 0}, not v${expectedVersion}`;
    return fail(problem('CONCURRENT_CHANGE', detail));
  }
  if (next.definition.state === 'retired')
    return fail(problem('GROUP_RETIRED', `${name}@v${next.version} is retired and cannot be promoted`));
  if (next === current)
    return ok({ group: name, entries: [], consequences: [], what: `${name}@v${next.version} is production` });
  const from = current === undefined ? 'nothing' : `v${current.version}`;
  // The alias is gained before it is lost, so that a region which hears of one after the other always finds one.
  const changed = [
    { ...next, aliases: ['production', ...next.aliases] },
    ...(current === undefined
      ? []
      : [{ ...current, aliases: current.aliases.filter(alias => alias !== 'production') }]),
  ];
  return ok({
    group: name,
    entries: changed.map(group => entryOf(group, state)),
    consequences: [
      `reads and writes of ${name} without a version mean v${next.version} from now on, before ${from}`,
      ...(current === undefined ? [] : keptBy(current, state)),
    ],
    what: `promote ${name}: production ${from} → v${next.version}`,
  });
}

/** Services that froze the version which loses the alias. */
function keptBy(current: CatalogueGroup, state: MeshState): readonly string[] {
  const users = new LineageGraph(state, new Catalogue(state)).usersOf(current);
  const services = users.filter(user => user.startsWith('service '));
  if (services.length === 0) return [];
  return [`${services.join(', ')} keep v${current.version} until they are applied again`];
}

/**
 * Retires a group, or one version of it: no more rows are accepted or read, those that are there stay unless they are to be purged,
 * which is for good. Problems: as for promotion, and STILL_USED where an alias or another definition depends on it.
 */
export function planRetirement(
  { group: reference, evenIfUsed, purge }: { group: string; evenIfUsed: boolean; purge: boolean },
  state: MeshState,
): Result<LifecyclePlan> {
  const parsed = parseGroupReference(reference);
  const whole = parsed?.version === undefined && parsed?.alias === undefined;
  const found = ownVersions(reference, parsed, state);
  if (!found.ok) return found;
  const { versions, named } = found.value;
  const name = nameOf(named);
  const affected = (whole ? versions : [named]).filter(
    ({ definition, purged }) => definition.state === 'active' || (purge && purged !== true),
  );
  if (affected.length === 0)
    return ok({ group: name, entries: [], consequences: [], what: `${reference} is retired` });
  const others = versions.some(group => !affected.includes(group) && group.definition.state === 'active');
  if (!whole && others && named.aliases.includes('production')) {
    const detail = `${name}@v${named.version} is \`production\`; promote another version first, or retire ${name} as a whole`;
    return fail(problem('STILL_USED', detail));
  }
  const users = usersOf(affected, state);
  if (users.length > 0 && !evenIfUsed)
    return fail(
      problem('STILL_USED', `${name} is used by ${users.join(', ')}`, { extra: { usedBy: users } }),
    );
  const numbers = affected.map(({ version }) => `v${version}`).join(', ');
  return ok({
    group: name,
    entries: affected.map(group => entryOf(retired(group, purge), state)),
    consequences: [
      `no more rows of ${numbers} are accepted or read${purge ? '' : '; those that are there stay'}`,
      ...(purge ? [deletionOf(numbers)] : []),
      ...(users.length === 0 ? [] : [`${users.join(', ')} answer GROUP_RETIRED for it`]),
    ],
    what: `retire ${name} ${numbers}${purge ? ' and delete the rows' : ''}`,
  });
}

const deletionOf = (numbers: string): string =>
  `the rows of ${numbers} are deleted in every region that holds them, in each as soon as it hears of it, for good: the name goes on as a new version`;

function usersOf(groups: readonly CatalogueGroup[], state: MeshState): readonly string[] {
  const graph = new LineageGraph(state, new Catalogue(state));
  return [...new Set(groups.flatMap(group => graph.usersOf(group)))].sort();
}

function retired(group: CatalogueGroup, purge: boolean): CatalogueGroup {
  return {
    ...group,
    ...(purge ? { purged: true } : {}),
    definition: { ...group.definition, state: 'retired' },
    revision: group.revision + 1,
    revisions: [...group.revisions, group.definition.features],
  };
}

const nameOf = ({ definition }: CatalogueGroup): string => `${definition.homeRegion}/${definition.name}`;

function entryOf(group: CatalogueGroup, state: MeshState): CatalogueEntry {
  return { kind: 'group', home: state.region, sequence: 0, group };
}

/** All versions of a group of this home, and the one that the reference means: `production`, else the newest, where it names none. */
function ownVersions(
  reference: string,
  parsed: GroupReference | undefined,
  state: MeshState,
): Result<{ readonly versions: readonly CatalogueGroup[]; readonly named: CatalogueGroup }> {
  const catalogue = new Catalogue(state);
  const found = catalogue.group(reference, state.region);
  const newest =
    parsed === undefined ? undefined : catalogue.versions(parsed.home ?? state.region, parsed.name).at(-1);
  const named = found.ok ? found.value : parsed?.version === undefined ? newest : undefined;
  if (named === undefined) return fail(found.ok ? problem('UNKNOWN_GROUP', reference) : found.problem);
  const { homeRegion, name } = named.definition;
  const foreign = notAtHome(named, state);
  return foreign === undefined
    ? ok({ versions: catalogue.versions(homeRegion, name), named })
    : fail(foreign);
}

function notAtHome({ definition }: CatalogueGroup, { region, regions }: MeshState): Problem | undefined {
  const { homeRegion, name } = definition;
  if (homeRegion === region) return undefined;
  const home = regions.find(({ id }) => id === homeRegion);
  return problem('NOT_HOME', `${name} is at home in ${homeRegion}, this is ${region}`, {
    extra: { home: homeRegion, ...(home === undefined ? {} : { publicUrl: home.publicUrl }) },
  });
}
