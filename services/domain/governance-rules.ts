import { type DefinitionWorld, groupInSet, schemaOf, unknownGroup } from './definition-world.ts';
import type { FeatureGroupDefinition, FeatureServiceDefinition, Governance } from './feature-group.ts';
import { parseGroupReference, SIMPLE_NAME } from './group-reference.ts';
import { MAX_NOTE_CHARS } from './limits.ts';

/** Reports what is wrong with owner, team, tags and deprecation of a group or service at `path`. */
export function governanceIssues(
  definition: FeatureGroupDefinition | FeatureServiceDefinition,
  path: string,
  world: DefinitionWorld,
): void {
  const { report } = world;
  for (const [i, tag] of definition.tags.entries()) {
    if (tag.startsWith('policy/'))
      report(`${path}.tags[${i}]`, 'tags under policy/ are reserved to compliance');
  }
  for (const member of ['owner', 'team', 'description'] as const satisfies readonly (keyof Governance)[]) {
    if ((definition[member]?.length ?? 0) > MAX_NOTE_CHARS)
      report(`${path}.${member}`, `is longer than ${MAX_NOTE_CHARS} characters`);
  }
  const { deprecated } = definition;
  if (deprecated === undefined) return;
  if (!isDay(deprecated.since)) report(`${path}.deprecated.since`, 'must be a day such as 2026-11-30');
  if ((deprecated.reason?.length ?? 0) > MAX_NOTE_CHARS)
    report(`${path}.deprecated.reason`, `is longer than ${MAX_NOTE_CHARS} characters`);
  const wrong = successorIssue(definition, world);
  if (wrong !== undefined) report(`${path}.deprecated.successor`, wrong);
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true;
}

/** A group's successor is a known group, a service's a known service, and neither is the deprecated one itself. */
function successorIssue(
  definition: FeatureGroupDefinition | FeatureServiceDefinition,
  world: DefinitionWorld,
): string | undefined {
  const { name, homeRegion, deprecated } = definition;
  const successor = deprecated?.successor;
  if (successor === undefined) return undefined;
  const parsed = parseGroupReference(successor);
  if (parsed === undefined) return `${JSON.stringify(successor)} is not a reference ([home/]name[@vN])`;
  if (parsed.name === name && (parsed.home ?? homeRegion) === homeRegion)
    return 'is the deprecated one itself';
  if ('entities' in definition) return unknownGroup(successor, homeRegion, world);
  const declared = world.set.services.some(
    other => other.name === parsed.name && other.homeRegion === (parsed.home ?? homeRegion),
  );
  if (declared) return undefined;
  const found = world.catalogue.service(successor, homeRegion);
  return found.ok || world.known.regions.length === 0 ? undefined : found.problem.detail;
}

/** Reports what is wrong with a group's sources and with what its columns are said to be computed from. */
export function lineageIssues(group: FeatureGroupDefinition, path: string, world: DefinitionWorld): void {
  const { report } = world;
  const sources = (group.sources ?? []).map(({ name }) => name);
  for (const [i, name] of sources.entries()) {
    if (!SIMPLE_NAME.test(name)) report(`${path}.sources[${i}]`, "a source's name is [a-z][a-z0-9_]{0,62}");
    if (sources.indexOf(name) < i) report(`${path}.sources[${i}]`, `the source ${name} is given twice`);
  }
  for (const [i, { from = [] }] of group.features.entries()) {
    for (const [j, text] of from.entries()) {
      const wrong = columnIssue(text, group, world);
      if (wrong !== undefined) report(`${path}.features[${i}].from[${j}]`, wrong);
    }
  }
}

function columnIssue(
  text: string,
  group: FeatureGroupDefinition,
  world: DefinitionWorld,
): string | undefined {
  const match = /^([^:\s]+):([^:\s]{1,200})$/.exec(text);
  const [, left, column] = match ?? [];
  if (left === undefined || column === undefined)
    return `${JSON.stringify(text)} is neither source:column nor [home/]group:feature`;
  if ((group.sources ?? []).some(({ name }) => name === left)) return undefined;
  const inputs = group.inputs === 'external' ? [] : group.inputs;
  if (!inputs.some(input => sameGroup(input, left, group, world)))
    return `${left} is neither one of the group's sources nor one of its inputs`;
  const schema = schemaOf(left, group.homeRegion, world);
  return schema === undefined || schema.features.includes(column)
    ? undefined
    : `${left} has no feature ${column}`;
}

/** Whether two references of a definition mean one group, whatever version and home are written out. */
function sameGroup(
  input: string,
  written: string,
  { homeRegion }: FeatureGroupDefinition,
  world: DefinitionWorld,
): boolean {
  const identity = (reference: string): string | undefined => {
    const declared = groupInSet(reference, homeRegion, world.set);
    if (declared !== undefined) return `${declared.homeRegion}/${declared.name}`;
    const found = world.catalogue.group(reference, homeRegion);
    if (found.ok) return `${found.value.definition.homeRegion}/${found.value.definition.name}`;
    const parsed = parseGroupReference(reference);
    return parsed === undefined ? undefined : `${parsed.home ?? homeRegion}/${parsed.name}`;
  };
  const one = identity(input);
  return one !== undefined && one === identity(written);
}
