import type { Catalogue } from './catalogue-lookup.ts';
import { KeyEncoder } from './entity-key.ts';
import type { CatalogueGroup } from './feature-group.ts';
import { formatGroupReference, parseFeatureReference } from './group-reference.ts';
import { MAX_READ_FEATURES } from './limits.ts';
import type { OnlineReadRequest } from './online-answer.ts';
import { type Problem, problem } from './problem.ts';
import type { RegionId } from './region-id.ts';
import { fail, ok, type Result } from './result.ts';

/** One group in one role as a read needs it. */
export interface ReadSelection {
  readonly group: CatalogueGroup;
  readonly as?: string;
  /** Feature names, distinct, in the asked order. */
  readonly names: readonly string[];
  /** The request key of every join key of the group, in their order. */
  readonly requestKeys: readonly string[];
  readonly encoder: KeyEncoder;
  /** The group's name as answered: bare, or with the home region where the request reads two groups of one name. */
  readonly label: string;
}

/** Selections kept: services and feature lists that are asked for again and again. */
const MAX_KEPT = 256;
/** Longest feature list that is kept, in characters: 256 of them are a few megabytes. */
const MAX_KEPT_CHARS = 8_192;

/** What requests select from one catalogue; build it once per state. What was asked before is found again without parsing references. */
export class ReadSelections {
  readonly #catalogue: Catalogue;
  readonly #ownRegion: RegionId;
  readonly #kept = new Map<string, readonly ReadSelection[]>();

  /** A bare group name prefers the region `ownRegion`. */
  constructor(catalogue: Catalogue, ownRegion: RegionId) {
    this.#catalogue = catalogue;
    this.#ownRegion = ownRegion;
  }

  /** Resolves what a request asks for into groups and features; the same request gets the same objects. */
  of(request: OnlineReadRequest): Result<readonly ReadSelection[]> {
    const { service, features } = request;
    const key = service === undefined ? `f\n${features?.join('\n')}` : `s\n${service}`;
    const kept = service === undefined || features === undefined ? this.#kept.get(key) : undefined;
    if (kept !== undefined) return ok(kept);
    const selected = selectGroups(request, this.#catalogue, this.#ownRegion);
    if (!selected.ok || key.length > MAX_KEPT_CHARS) return selected;
    const oldest = this.#kept.keys().next();
    if (this.#kept.size >= MAX_KEPT && oldest.done !== true) this.#kept.delete(oldest.value);
    this.#kept.set(key, selected.value);
    return selected;
  }
}

function selectGroups(
  request: OnlineReadRequest,
  catalogue: Catalogue,
  ownRegion: RegionId,
): Result<readonly ReadSelection[]> {
  const { service, features } = request;
  if (service !== undefined && features !== undefined) {
    return fail(problem('SERVICE_AND_FEATURES', 'Give either `service` or `features`'));
  }
  const selected =
    service !== undefined
      ? fromService(service, catalogue, ownRegion)
      : fromFeatures(features ?? [], catalogue, ownRegion);
  if (!selected.ok) return selected;
  const count = selected.value.reduce((sum, selection) => sum + selection.names.length, 0);
  if (count > MAX_READ_FEATURES) {
    return fail(
      problem('TOO_MANY_FEATURES', `${count} features are asked for; the limit is ${MAX_READ_FEATURES}`),
    );
  }
  const retired = selected.value.find(({ group }) => group.definition.state === 'retired');
  if (retired === undefined) return ok(labelled(selected.value));
  return fail(problem('GROUP_RETIRED', `The feature group ${retired.group.definition.name} is retired`));
}

function fromService(ref: string, catalogue: Catalogue, ownRegion: RegionId): Result<readonly Unlabelled[]> {
  const service = catalogue.service(ref, ownRegion);
  if (!service.ok) return service;
  const selections: Unlabelled[] = [];
  for (const resolved of service.value.resolved) {
    const group = catalogue.groupById(resolved.groupId, resolved.groupVersion);
    if (group === undefined) {
      return fail(problem('UNKNOWN_GROUP', `The service ${ref} uses a feature group that is not known here`));
    }
    const names =
      resolved.features.length > 0 ? resolved.features : group.definition.features.map(({ name }) => name);
    const unknown = names.find(name => !hasFeature(group, name));
    if (unknown !== undefined) return fail(unknownFeature(group, unknown, 'service'));
    selections.push({
      group,
      ...(resolved.as === undefined ? {} : { as: resolved.as }),
      names: [...new Set(names)],
      ...keysOf(group, resolved.keys),
    });
  }
  return ok(selections);
}

function fromFeatures(
  features: readonly string[],
  catalogue: Catalogue,
  ownRegion: RegionId,
): Result<readonly Unlabelled[]> {
  if (features.length === 0)
    return fail(problem('INVALID_REQUEST', 'Give `service` or a list of `features`'));
  if (features.length > MAX_READ_FEATURES) {
    const detail = `${features.length} features are asked for; the limit is ${MAX_READ_FEATURES}`;
    return fail(problem('TOO_MANY_FEATURES', detail));
  }
  const selections = new Map<CatalogueGroup, Set<string>>();
  const groups = new Map<string, CatalogueGroup>();
  for (const [i, text] of features.entries()) {
    const parsed = parseFeatureReference(text);
    const path = `features[${i}]`;
    if (parsed === undefined) {
      const message = 'a feature reference is [home/]group[@vN]:feature';
      return fail(problem('INVALID_REQUEST', `${path}: ${message}`, { issues: [{ path, message }] }));
    }
    const ref = formatGroupReference(parsed);
    let group = groups.get(ref);
    if (group === undefined) {
      const found = catalogue.group(ref, ownRegion);
      if (!found.ok) return fail({ ...found.problem, issues: [{ path, message: found.problem.detail }] });
      group = found.value;
      groups.set(ref, group);
    }
    if (!hasFeature(group, parsed.feature)) return fail(unknownFeature(group, parsed.feature, path));
    selections.set(group, (selections.get(group) ?? new Set()).add(parsed.feature));
  }
  return ok([...selections].map(([group, names]) => ({ group, names: [...names], ...keysOf(group, {}) })));
}

function hasFeature(group: CatalogueGroup, name: string): boolean {
  return group.definition.features.some(feature => feature.name === name);
}

function unknownFeature(group: CatalogueGroup, feature: string, path: string): Problem {
  const { homeRegion, name } = group.definition;
  const message = `${homeRegion}/${name}@v${group.version} has no feature ${feature}`;
  return problem('UNKNOWN_FEATURE', message, { issues: [{ path, message }] });
}

function keysOf(
  group: CatalogueGroup,
  renamed: Readonly<Record<string, string>>,
): Pick<ReadSelection, 'requestKeys' | 'encoder'> {
  return {
    requestKeys: group.joinKeys.map(({ name }) => renamed[name] ?? name),
    encoder: new KeyEncoder(group.joinKeys),
  };
}

type Unlabelled = Omit<ReadSelection, 'label'>;

function labelled(selections: readonly Unlabelled[]): readonly ReadSelection[] {
  const homes = new Map<string, Set<string>>();
  for (const { group } of selections) {
    const { name, homeRegion } = group.definition;
    homes.set(name, (homes.get(name) ?? new Set()).add(homeRegion));
  }
  return selections.map(selection => {
    const { name, homeRegion } = selection.group.definition;
    return { ...selection, label: (homes.get(name)?.size ?? 0) > 1 ? `${homeRegion}/${name}` : name };
  });
}
