import type { Catalogue } from './catalogue-lookup.ts';
import type { FeatureGroupDefinition } from './feature-group.ts';
import { parseGroupReference } from './group-reference.ts';

/** A cycle of inputs, named from and back to the group of the set at position `at`. */
export interface InputCycle {
  readonly at: number;
  /** `home/name`, the first again at the end. */
  readonly cycle: readonly string[];
}

/** Every cycle that a group of the set is part of, each once; groups of the catalogue count where the set does not replace them. */
export function inputCycles(
  groups: readonly FeatureGroupDefinition[],
  catalogue: Catalogue,
): readonly InputCycle[] {
  const declared = new Map(groups.map(group => [identity(group), group]));
  const cycles: InputCycle[] = [];
  const reported = new Set<string>();
  for (const [at, group] of groups.entries()) {
    if (reported.has(identity(group))) continue;
    const cycle = pathBack(group, declared, catalogue);
    if (cycle === undefined) continue;
    for (const member of cycle) reported.add(member);
    cycles.push({ at, cycle });
  }
  return cycles;
}

const identity = ({ homeRegion, name }: FeatureGroupDefinition) => `${homeRegion}/${name}`;

/** The shortest way from a group through inputs back to itself; breadth first, each group once. */
function pathBack(
  start: FeatureGroupDefinition,
  declared: ReadonlyMap<string, FeatureGroupDefinition>,
  catalogue: Catalogue,
): readonly string[] | undefined {
  const origin = identity(start);
  const cameFrom = new Map<string, string>();
  const pending: FeatureGroupDefinition[] = [start];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const from = identity(next);
    for (const input of inputsOf(next, declared, catalogue)) {
      const to = identity(input);
      if (to === origin) return [...walkBack(from, origin, cameFrom), origin];
      if (cameFrom.has(to)) continue;
      cameFrom.set(to, from);
      pending.push(input);
    }
  }
  return undefined;
}

function walkBack(from: string, origin: string, cameFrom: ReadonlyMap<string, string>): readonly string[] {
  const path = [from];
  for (let at = cameFrom.get(from); from !== origin && at !== undefined; at = cameFrom.get(at)) {
    path.unshift(at);
    if (at === origin) break;
  }
  return path;
}

function inputsOf(
  group: FeatureGroupDefinition,
  declared: ReadonlyMap<string, FeatureGroupDefinition>,
  catalogue: Catalogue,
): readonly FeatureGroupDefinition[] {
  if (group.inputs === 'external') return [];
  return group.inputs.flatMap(reference => {
    const parsed = parseGroupReference(reference);
    if (parsed === undefined) return [];
    const own = declared.get(`${parsed.home ?? group.homeRegion}/${parsed.name}`);
    if (own !== undefined) return [own];
    const found = catalogue.group(reference, group.homeRegion);
    if (found.ok) {
      const replaced = declared.get(identity(found.value.definition));
      return [replaced ?? found.value.definition];
    }
    const elsewhere = [...declared.values()].filter(
      ({ name }) => parsed.home === undefined && name === parsed.name,
    );
    return elsewhere.length === 1 ? elsewhere : [];
  });
}
