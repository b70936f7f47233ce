import { checkRegion, type DefinitionWorld, schemaOf, unknownGroup } from './definition-world.ts';
import type { FeatureServiceDefinition, ServiceSelection } from './feature-group.ts';
import { governanceIssues } from './governance-rules.ts';
import { QUALIFIED_NAME, SIMPLE_NAME } from './group-reference.ts';
import { MAX_READ_FEATURES } from './limits.ts';
import type { RegionId } from './region-id.ts';

/** Reports everything that is wrong with one service: names, references, features, roles and renamed keys. */
export function serviceIssues(service: FeatureServiceDefinition, path: string, world: DefinitionWorld): void {
  const { report } = world;
  if (!QUALIFIED_NAME.test(service.name)) {
    report(
      `${path}.name`,
      "a feature service's name is [a-z][a-z0-9_]{0,62}, optionally after a `team.` prefix",
    );
  }
  checkRegion(service.homeRegion, `${path}.homeRegion`, world);
  governanceIssues(service, path, world);
  if (service.features.length === 0) report(`${path}.features`, 'at least one feature is needed');
  const roles = new Set<string>();
  let count = 0;
  for (const [i, selection] of service.features.entries()) {
    const at = `${path}.features[${i}]`;
    const role = `${selection.group} ${selection.as ?? ''}`;
    if (roles.has(role))
      report(at, `${selection.group} is selected twice in one role; give each its own \`as\``);
    roles.add(role);
    if (selection.as !== undefined && !SIMPLE_NAME.test(selection.as)) {
      report(`${at}.as`, "a role's name is [a-z][a-z0-9_]{0,62}");
    }
    count += selectionIssues(selection, { home: service.homeRegion, at }, world);
  }
  if (count > MAX_READ_FEATURES)
    report(`${path}.features`, `${count} features; a read may ask for ${MAX_READ_FEATURES}`);
}

/** Reports on one selection and counts its features. */
function selectionIssues(
  selection: ServiceSelection,
  { home, at }: { home: RegionId; at: string },
  world: DefinitionWorld,
): number {
  const unknown = unknownGroup(selection.group, home, world);
  if (unknown !== undefined) {
    world.report(`${at}.group`, unknown);
    return selection.features.length;
  }
  const target = schemaOf(selection.group, home, world);
  if (target === undefined) return selection.features.length;
  for (const [i, feature] of selection.features.entries()) {
    if (!target.features.includes(feature)) {
      world.report(`${at}.features[${i}]`, `${selection.group} has no feature ${feature}`);
    }
    if (selection.features.indexOf(feature) < i) {
      world.report(`${at}.features[${i}]`, `the feature ${feature} is given twice`);
    }
  }
  for (const key of Object.keys(selection.keys ?? {})) {
    if (target.joinKeys.some(({ name }) => name === key)) continue;
    const has = target.joinKeys.map(({ name }) => name).join(', ');
    world.report(`${at}.keys.${key}`, `${selection.group} has no join key ${key}; it has ${has}`);
  }
  return selection.features.length > 0 ? selection.features.length : target.features.length;
}
