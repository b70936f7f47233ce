import type { DefinitionsAnswer } from '@featuremesh/contracts/admin-definitions';
import { locateIssues, type ParsedDefinitions } from '@featuremesh/contracts/definition-file';
import { definitionsByHome } from '@featuremesh/domain/definition-homes';
import type { DefinitionSet } from '@featuremesh/domain/definition-rules';
import { ProblemError } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { sendDefinitions } from '../http/admin-client.ts';
import { sentToAuthority } from '../http/authority.ts';
import type { JsonClient } from '../http/json-client.ts';

/** What one home region did with its part of a set. */
export interface HomeOutcome {
  readonly home: RegionId;
  readonly answer: DefinitionsAnswer;
}

/** The name under which an expected revision counts for every home. */
export const EVERY_HOME = '*';

/** How a set is sent. */
export interface ApplyOptions {
  readonly dryRun: boolean;
  readonly fallbackHome: RegionId;
  readonly clientFor: (home: RegionId) => JsonClient;
  /** A client of the region that accepts definitions instead of the home, at the address that the home gave. */
  readonly clientAt: (url: string) => JsonClient;
  /** Registry revision per home, from a plan; CONCURRENT_CHANGE where one has moved. */
  readonly expectedRevisions?: ReadonlyMap<string, number>;
  /** Who applies, for the record of changes. */
  readonly by?: string;
}

/**
 * Plans or applies a parsed set: each home region is sent its part, in the order of ids. Atomic per home; where a later one
 * refuses, what earlier ones accepted stays. Issues come back at their places in the files.
 */
export async function applyDefinitions(
  parsed: ParsedDefinitions,
  options: ApplyOptions,
): Promise<readonly HomeOutcome[]> {
  const outcomes: HomeOutcome[] = [];
  for (const [home, part] of definitionsByHome(parsed.set, options.fallbackHome)) {
    const answer = await sentToAuthority(options.clientFor(home), {
      clientAt: options.clientAt,
      prepare: async () => undefined,
      send: client => sendTo(client, parsed, part, { home, options }),
    });
    outcomes.push({ home, answer });
  }
  return outcomes;
}

async function sendTo(
  client: JsonClient,
  parsed: ParsedDefinitions,
  part: DefinitionSet,
  { home, options }: { readonly home: RegionId; readonly options: ApplyOptions },
): Promise<DefinitionsAnswer> {
  try {
    const { dryRun, by, expectedRevisions } = options;
    const expectedRevision = expectedRevisions?.get(home) ?? expectedRevisions?.get(EVERY_HOME);
    return await sendDefinitions(client, {
      definitions: mutable(part),
      dryRun,
      ...(expectedRevision === undefined ? {} : { expectedRevision }),
      ...(by === undefined ? {} : { by }),
    });
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.issues === undefined) throw error;
    const issues = locateIssues(
      parsed,
      error.problem.issues.map(issue => ({ ...issue, path: inWhole(issue.path, part, parsed.set) })),
    );
    throw new ProblemError({ ...error.problem, issues }, { cause: error });
  }
}

/** The region counts positions in its part of the set; files are found by positions in the whole. */
function inWhole(path: string, part: DefinitionSet, whole: DefinitionSet): string {
  const match = /^(entities|featureGroups|featureServices)\[(\d+)\](.*)$/.exec(path);
  if (match === null) return path;
  const [, section, position, rest] = match;
  const field = section === 'entities' ? 'entities' : section === 'featureGroups' ? 'groups' : 'services';
  const object = part[field][Number(position)];
  const objects: readonly unknown[] = whole[field];
  const at = objects.indexOf(object);
  return at === -1 ? path : `${section}[${at}]${rest}`;
}

function mutable(set: DefinitionSet): Parameters<typeof sendDefinitions>[1]['definitions'] {
  return structuredClone(set) as Parameters<typeof sendDefinitions>[1]['definitions'];
}
