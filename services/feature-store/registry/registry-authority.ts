import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { arbitrate, type DefinitionEntry, definitionOf } from '@featuremesh/domain/registry-mode';
import { fail, ok, type Result } from '@featuremesh/domain/result';

/** A definition that somebody wants to change. */
export interface Subject {
  readonly home: RegionId;
  readonly name: string;
}

/** Why this region does not accept a change of these definitions: NOT_HOME, with the region that does; undefined where it does. */
export function authorityProblem(
  subjects: readonly Subject[],
  entries: readonly CatalogueEntry[],
  state: MeshState,
): Problem | undefined {
  const { modes } = arbitrate(entries);
  for (const { home, name } of subjects) {
    const { region, epoch } = modes.authority(home, name);
    if (region === state.region) continue;
    const publicUrl = state.regions.find(({ id }) => id === region)?.publicUrl;
    const why =
      epoch === 0 ? `${name} is at home in ${region}` : `registry epoch ${epoch}: ${region} accepts ${name}`;
    return problem('NOT_HOME', `${why}, this is ${state.region}`, {
      extra: {
        home: region,
        ...(publicUrl === undefined ? {} : { publicUrl }),
        ...(epoch === 0 ? {} : { registryEpoch: epoch }),
      },
    });
  }
  return undefined;
}

/**
 * What a change planned for the home of its definitions becomes in the registry of the region that has the say: told by it, under the
 * epoch that gave it the say. NOT_HOME where it has not.
 */
export function ruledEntries(
  planned: readonly CatalogueEntry[],
  entries: readonly CatalogueEntry[],
  state: MeshState,
): Result<readonly CatalogueEntry[]> {
  const subjects = planned.flatMap(entry => definitionOf(entry) ?? []);
  const refused = authorityProblem(subjects, entries, state);
  if (refused !== undefined) return fail(refused);
  const { modes } = arbitrate(entries);
  const own = new Map(
    entries.flatMap(entry => {
      const of = entry.home === state.region ? definitionOf(entry) : undefined;
      return of === undefined ? [] : [[of.key, entry as DefinitionEntry] as const];
    }),
  );
  return ok(
    planned.map(entry => {
      const of = definitionOf(entry);
      if (of === undefined) return entry;
      const { epoch, decision } = modes.authority(of.home, of.name);
      if (epoch === 0) return entry;
      const adopted = own.get(of.key)?.ruling?.adopted;
      const ruling = { decision, epoch, ...(adopted === undefined ? {} : { adopted }) };
      return { ...entry, home: state.region, ruling } as CatalogueEntry;
    }),
  );
}
