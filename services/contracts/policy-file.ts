import { QUALIFIED_NAME, SIMPLE_NAME } from '@featuremesh/domain/group-reference';
import { EGRESS_CLASSES, type PolicyDocument, VISIBILITIES } from '@featuremesh/domain/policy';
import { type Issue, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { formatTimestamp, parseTimestamp } from '@featuremesh/domain/timestamp';
import { readDuration, readRegion } from './definition-group.ts';
import { inFileOrder, parseYamlFiles, type SourceFile, type YamlValue } from './yaml-value.ts';

/** A policy document with the place where it begins, for errors that come back from a region. */
export interface ParsedPolicy {
  readonly document: PolicyDocument;
  /** `policies/delays.yaml:3:3 [0]`. */
  readonly where: string;
}

/** The instant that `effective.from` means where it is left out: in force as soon as approved. */
const ALWAYS_FROM = '1970-01-01T00:00:00Z';

/**
 * Parses policies/*.yaml: a list of policies per file, defaults written out, the strictest of each field where one is left out.
 * All errors of all files come at once (INVALID_POLICY, or NOT_YET_SUPPORTED where only later parts stand in the way).
 */
export function parsePolicyFiles(files: readonly SourceFile[]): Result<readonly ParsedPolicy[]> {
  const issues: Issue[] = [];
  const places = parseYamlFiles(files, issues).flatMap(root => root.items());
  const policies = places.map(readPolicy);
  const seen = new Map<string, string>();
  for (const policy of policies) {
    if (policy === undefined) continue;
    const { home, name, version } = policy.document;
    const key = `${home}/${name} version ${version}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, policy.where);
    else issues.push({ path: policy.where, message: `${key} is declared twice, first at ${first}` });
  }
  if (issues.length === 0) return ok(policies.filter(policy => policy !== undefined));
  const later = issues.every(({ code }) => code === 'NOT_YET_SUPPORTED');
  const one = issues.length === 1;
  const where = one ? 'one place' : `${issues.length} places`;
  const wrong = one ? 'is not valid' : 'are not valid';
  const lacks = one ? 'needs what comes later' : 'need what comes later';
  return fail(
    problem(
      later ? 'NOT_YET_SUPPORTED' : 'INVALID_POLICY',
      `In the policy files, ${where} ${later ? lacks : wrong}`,
      { issues: inFileOrder(issues, files) },
    ),
  );
}

const POLICY_FIELDS = [
  'name',
  'home',
  'version',
  'select',
  'allowed',
  'rows',
  'egress',
  'readers',
  'visibility',
  'maxPolicyAge',
  'basis',
  'effective',
] as const;

function readPolicy(value: YamlValue): ParsedPolicy | undefined {
  if (!value.checkFields(POLICY_FIELDS)) return undefined;
  const name = value.field('name').text();
  if (name !== undefined && !/^[a-z][a-z0-9_-]{0,62}$/.test(name)) {
    value.field('name').report("a policy's name is [a-z][a-z0-9_-]{0,62}");
  }
  const home = readRegion(value.field('home'));
  const version = value.field('version').positiveInteger();
  const select = readSelect(value.field('select'), home);
  const allowed = readAllowed(value.field('allowed'));
  const rows = value.field('rows').oneOf(['shared', 'origin'], 'origin');
  const egress = value.field('egress').oneOf(EGRESS_CLASSES, 'local-only');
  const readers = readReaders(value.field('readers'));
  const visibility = value.field('visibility').oneOf(VISIBILITIES, 'full');
  const maxPolicyAgeMs = readDuration(value.field('maxPolicyAge')) ?? null;
  const basis = readBasis(value.field('basis'));
  const effective = readEffective(value.field('effective'));
  if (name === undefined || home === undefined || version === undefined) return undefined;
  const document: PolicyDocument = {
    name,
    home,
    version,
    select,
    allowed,
    rows,
    egress,
    readers,
    visibility,
    maxPolicyAgeMs,
    basis,
    effective,
  };
  return { document, where: value.where };
}

function readSelect(value: YamlValue, home: RegionId | undefined): PolicyDocument['select'] {
  const none = { groups: [], tags: [], entities: [] };
  if (!value.checkFields(['groups', 'tags', 'entities'])) return none;
  const groups = value
    .field('groups')
    .items()
    .map(item => readSelectedGroup(item, home));
  const entities = value
    .field('entities')
    .items()
    .map(item => {
      const entity = item.text();
      if (entity !== undefined && !SIMPLE_NAME.test(entity)) item.report('must be the name of an entity');
      return entity;
    });
  for (const tag of value.field('tags').items()) {
    if (tag.text() !== undefined) tag.report('selection by tags is not supported yet', 'NOT_YET_SUPPORTED');
  }
  if (['groups', 'tags', 'entities'].every(kind => value.field(kind).items().length === 0)) {
    value.report('selects nothing; name groups or entities');
  }
  return { groups: sorted(groups), tags: [], entities: sorted(entities) };
}

/** `home/group`, or the bare name of a group of the policy's home. */
function readSelectedGroup(value: YamlValue, home: RegionId | undefined): string | undefined {
  const text = value.text();
  if (text === undefined) return undefined;
  const [first = '', second, ...rest] = text.split('/');
  const name = second ?? first;
  if (rest.length > 0 || !QUALIFIED_NAME.test(name)) {
    value.report('must be [home/]group, without a version: a policy covers all versions');
    return undefined;
  }
  if (second !== undefined && home !== undefined && first !== home) {
    value.report(`a policy of ${home} selects only groups of that home`);
    return undefined;
  }
  return home === undefined ? undefined : `${home}/${name}`;
}

function readAllowed(value: YamlValue): PolicyDocument['allowed'] {
  if (!value.checkFields(['regions', 'jurisdictions'])) return { regions: [], jurisdictions: [] };
  const regions = value.field('regions').items().map(readRegion);
  const jurisdictions = value.field('jurisdictions').texts();
  if (regions.length > 0 && jurisdictions.length > 0)
    value.report('give either `regions` or `jurisdictions`');
  if (regions.length === 0 && jurisdictions.length === 0)
    value.report('name at least one region or jurisdiction');
  return { regions: sorted(regions), jurisdictions: sorted(jurisdictions) };
}

function readReaders(value: YamlValue): PolicyDocument['readers'] {
  if (value.absent || !value.checkFields(['jurisdictions', 'purposes'])) {
    return { jurisdictions: null, purposes: null };
  }
  const list = (field: YamlValue) => (field.absent ? null : sorted(field.texts()));
  return { jurisdictions: list(value.field('jurisdictions')), purposes: list(value.field('purposes')) };
}

function readBasis(value: YamlValue): PolicyDocument['basis'] {
  if (value.absent || !value.checkFields(['kind', 'ref', 'expires']))
    return { kind: 'none', ref: '', expires: null };
  const ref = value.field('ref');
  return {
    kind: value.field('kind').optionalText() ?? 'none',
    ref: ref.isEmptyText ? '' : (ref.optionalText() ?? ''),
    expires: readInstant(value.field('expires')) ?? null,
  };
}

function readEffective(value: YamlValue): PolicyDocument['effective'] {
  if (value.absent || !value.checkFields(['from', 'until'])) return { from: ALWAYS_FROM, until: null };
  const from = readInstant(value.field('from')) ?? ALWAYS_FROM;
  const until = readInstant(value.field('until')) ?? null;
  if (until !== null && Date.parse(until) <= Date.parse(from))
    value.field('until').report('must be after `from`');
  return { from, until };
}

/** An instant in UTC, in one written form, so that equal policies hash alike. */
function readInstant(value: YamlValue): string | undefined {
  if (value.absent) return undefined;
  const instant = value.isText ? parseTimestamp(value.optionalText() ?? '') : undefined;
  if (instant === undefined)
    value.report('must be an RFC 3339 instant with zone, such as 2026-01-01T00:00:00Z');
  return instant === undefined ? undefined : formatTimestamp(instant);
}

/** Distinct and sorted: the order in a file means nothing, so it must not change the hash. */
function sorted<T extends string>(items: readonly (T | undefined)[]): T[] {
  return [...new Set(items.filter(item => item !== undefined))].toSorted();
}
