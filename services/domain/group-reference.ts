/** A reference to a group or service: `[home/]name[@vN]`, or `@production` / `@latest` in place of a version. */
export interface GroupReference {
  readonly home?: string;
  readonly name: string;
  /** Undefined means the alias, or `production` where neither was written (A9). */
  readonly version?: number;
  readonly alias?: 'production' | 'latest';
}

/** A reference to one feature: `[home/]group[@vN]:feature`. */
export interface FeatureReference extends GroupReference {
  readonly feature: string;
}

/** Names of groups, features, entities and services, with the optional `team.` prefix of groups and services. */
export const SIMPLE_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** A group's or service's name: a simple name, optionally after one `team.` prefix. */
export const QUALIFIED_NAME = /^(?:[a-z][a-z0-9_]{0,62}\.)?[a-z][a-z0-9_]{0,62}$/;

const PATTERN = /^(?:([a-z0-9-]{1,24})\/)?([a-z0-9_.]{1,127})(?:@(?:v([1-9]\d{0,5})|(production|latest)))?$/;

/** Parses `[home/]group[@vN]`; undefined where the text is no such reference. */
export function parseGroupReference(text: string): GroupReference | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, home, name, version, alias] = match;
  if (name === undefined || !QUALIFIED_NAME.test(name)) return undefined;
  return {
    name,
    ...(home === undefined ? {} : { home }),
    ...(version === undefined ? {} : { version: Number(version) }),
    ...(alias === 'production' || alias === 'latest' ? { alias } : {}),
  };
}

/** Parses `[home/]group[@vN]:feature`; undefined where the text is no such reference. */
export function parseFeatureReference(text: string): FeatureReference | undefined {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return undefined;
  const feature = text.slice(colon + 1);
  const group = parseGroupReference(text.slice(0, colon));
  if (group === undefined || !SIMPLE_NAME.test(feature)) return undefined;
  return { ...group, feature };
}

/** The written form of a group reference; the inverse of `parseGroupReference`. */
export function formatGroupReference(reference: GroupReference): string {
  const home = reference.home === undefined ? '' : `${reference.home}/`;
  if (reference.version !== undefined) return `${home}${reference.name}@v${reference.version}`;
  return `${home}${reference.name}${reference.alias === undefined ? '' : `@${reference.alias}`}`;
}
