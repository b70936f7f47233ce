import { isDeepStrictEqual } from 'node:util';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type {
  CatalogueService,
  FeatureServiceDefinition,
  ResolvedSelection,
  ServiceSelection,
} from '@featuremesh/domain/feature-group';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import type { PlanContext, PlannedDefinition } from './definition-plan.ts';

/** A service's line of the plan, and the catalogue service to write where anything changes. */
export interface PlannedService {
  readonly change: PlannedDefinition;
  readonly service?: CatalogueService;
}

/** Plans one service: its references are resolved now and frozen; any other resolution or wording is a new version. */
export function planService(
  definition: FeatureServiceDefinition,
  state: MeshState,
  context: PlanContext,
): Result<PlannedService> {
  const catalogue = new Catalogue(state);
  const resolved: ResolvedSelection[] = [];
  for (const selection of definition.features) {
    const one = resolve(selection, catalogue);
    if (!one.ok) return one;
    resolved.push(one.value);
  }
  const newest = state.services
    .filter(
      known => known.definition.name === definition.name && known.definition.homeRegion === state.region,
    )
    .toSorted((a, b) => b.version - a.version)[0];
  const base = { kind: 'service', name: definition.name } as const;
  if (newest === undefined)
    return ok({
      change: { ...base, action: 'create', version: 1, changes: [] },
      service: { id: context.newId(), version: 1, definition, resolved },
    });
  if (isDeepStrictEqual(newest.definition, definition) && isDeepStrictEqual(newest.resolved, resolved))
    return ok({ change: { ...base, action: 'unchanged', version: newest.version, changes: [] } });
  const version = newest.version + 1;
  const what = isDeepStrictEqual(newest.resolved, resolved)
    ? 'the service is described otherwise'
    : `the selection or the group versions that it resolves to change: ${resolvedText(resolved, catalogue)}`;
  const follows = `readers that name no version get v${version} at once; v${newest.version} stays readable`;
  return ok({
    change: { ...base, action: 'version', version, changes: [{ effect: 'compatible', what, follows }] },
    service: { id: newest.id, version, definition, resolved },
  });
}

function resolvedText(resolved: readonly ResolvedSelection[], catalogue: Catalogue): string {
  const names = resolved.map(({ groupId, groupVersion }) => {
    const name = catalogue.groupById(groupId, groupVersion)?.definition.name ?? groupId;
    return `${name}@v${groupVersion}`;
  });
  return [...new Set(names)].join(', ');
}

function resolve(selection: ServiceSelection, catalogue: Catalogue): Result<ResolvedSelection> {
  const group = catalogue.group(selection.group);
  if (!group.ok) return group;
  const known = group.value.definition.features.map(({ name }) => name);
  const unknown = selection.features.find(name => !known.includes(name));
  if (unknown !== undefined)
    return fail(problem('UNKNOWN_FEATURE', `${group.value.definition.name} has no feature ${unknown}`));
  return ok({
    groupId: group.value.id,
    groupVersion: group.value.version,
    ...(selection.as === undefined ? {} : { as: selection.as }),
    features: selection.features.length === 0 ? known : selection.features,
    keys: selection.keys ?? {},
  });
}
