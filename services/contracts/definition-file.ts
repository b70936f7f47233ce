import { type DefinitionSet, validateDefinitions } from '@featuremesh/domain/definition-rules';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type Issue, type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { readEntity, readGroup } from './definition-group.ts';
import { readService } from './definition-service.ts';
import { inFileOrder, parseYamlFiles, type SourceFile, type YamlValue } from './yaml-value.ts';

/** What a folder of definition files declares, with the way back from a path in the set to its place in a file. */
export interface ParsedDefinitions {
  readonly set: DefinitionSet;
  /** `features/airports.yaml:12:9 featureGroups[0].name` for `featureGroups[3].name` in the set; the path itself where it is none. */
  readonly locate: (path: string) => string;
}

const SECTIONS = ['entities', 'featureGroups', 'featureServices'] as const;

/**
 * Parses features/*.yaml. All errors of all files come at once as issues with file, line, column and path: INVALID_DEFINITION,
 * or NOT_YET_SUPPORTED where only parts of later milestones stand in the way. `defaultHome` is the home of services that name none.
 */
export function parseDefinitionFiles(
  files: readonly SourceFile[],
  options: { readonly defaultHome?: RegionId } = {},
): Result<ParsedDefinitions> {
  const issues: Issue[] = [];
  const roots = parseYamlFiles(files, issues).filter(root =>
    root.checkFields([...SECTIONS, 'requestContext']),
  );
  for (const root of roots) requestContext(root.field('requestContext'));
  const places = {
    entities: roots.flatMap(root => root.field('entities').items()),
    featureGroups: roots.flatMap(root => root.field('featureGroups').items()),
    featureServices: roots.flatMap(root => root.field('featureServices').items()),
  };
  const entities = places.entities.map(readEntity);
  const groups = places.featureGroups.map(readGroup);
  const whole = groups.filter(group => group !== undefined);
  const services = places.featureServices.map(place => readService(place, whole, options.defaultHome));
  if (issues.length > 0) return fail(definitionProblem(inFileOrder(issues, files)));
  return ok({
    set: {
      entities: entities.filter(entity => entity !== undefined),
      groups: whole,
      services: services.filter(service => service !== undefined),
    },
    locate: path => locate(path, places),
  });
}

/** Judges parsed definitions by `domain/definition-rules`, with issues at their places in the files; ok where there are none. */
export function checkDefinitions(parsed: ParsedDefinitions, known: MeshState): Result<DefinitionSet> {
  const issues = validateDefinitions(parsed.set, known);
  if (issues.length === 0) return ok(parsed.set);
  return fail(definitionProblem(locateIssues(parsed, issues)));
}

/** Issues of a plan or apply, whose paths are positions in the set, at their places in the files. */
export function locateIssues(parsed: ParsedDefinitions, issues: readonly Issue[]): readonly Issue[] {
  return issues.map(issue => ({ ...issue, path: parsed.locate(issue.path) }));
}

function definitionProblem(issues: readonly Issue[]): Problem {
  const others = issues.filter(({ code }) => code !== 'NOT_YET_SUPPORTED');
  const code =
    others.length === 0
      ? 'NOT_YET_SUPPORTED'
      : others.every(issue => issue.code === 'DEFINITION_CYCLE')
        ? 'DEFINITION_CYCLE'
        : 'INVALID_DEFINITION';
  const one = issues.length === 1;
  const places = one ? 'one place' : `${issues.length} places`;
  const later = one ? 'needs what comes later' : 'need what comes later';
  const detail = `${places} ${code === 'NOT_YET_SUPPORTED' ? later : one ? 'is not valid' : 'are not valid'}`;
  return problem(code, `In the definition files, ${detail}`, { issues });
}

/** Parsed for its shape; features computed at request time come later. */
function requestContext(value: YamlValue): void {
  for (const item of value.items()) {
    if (!item.checkFields(['name', 'type', 'description'])) continue;
    item.field('name').text();
    item.field('type').text();
    item.report('`requestContext` is not supported yet', 'NOT_YET_SUPPORTED');
  }
}

type Places = Readonly<Record<(typeof SECTIONS)[number], readonly YamlValue[]>>;

function locate(path: string, places: Places): string {
  const match = /^(entities|featureGroups|featureServices)\[(\d+)\](.*)$/.exec(path);
  const section = SECTIONS.find(name => name === match?.[1]);
  const item = section === undefined ? undefined : places[section][Number(match?.[2])];
  if (item === undefined) return path;
  let at = item;
  for (const [, name, index] of (match?.[3] ?? '').matchAll(/\.([^.[]+)|\[(\d+)\]/g)) {
    const next = name !== undefined ? at.field(name) : at.isList ? at.items()[Number(index)] : undefined;
    if (next === undefined || next.absent) break;
    at = next;
  }
  return at.where;
}
