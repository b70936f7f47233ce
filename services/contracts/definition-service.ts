import type {
  FeatureGroupDefinition,
  FeatureServiceDefinition,
  ServiceSelection,
} from '@featuremesh/domain/feature-group';
import {
  formatGroupReference,
  parseFeatureReference,
  parseGroupReference,
} from '@featuremesh/domain/group-reference';
import { isRegionId, type RegionId } from '@featuremesh/domain/region-id';
import { GOVERNANCE_FIELDS, readGovernance, readRegion } from './definition-group.ts';
import type { YamlValue } from './yaml-value.ts';

/** A feature service. Its home, where not written, is that of the first group it selects, else `defaultHome`. */
export function readService(
  value: YamlValue,
  groups: readonly FeatureGroupDefinition[],
  defaultHome: RegionId | undefined,
): FeatureServiceDefinition | undefined {
  if (!value.checkFields(['name', 'homeRegion', ...GOVERNANCE_FIELDS, 'features'])) return undefined;
  const name = value.field('name').text();
  if (value.field('features').absent) value.field('features').report('is missing');
  const selections = value.field('features').items().map(readSelection);
  const governance = readGovernance(value);
  const features = merged(selections.filter(selection => selection !== undefined));
  const stated = value.field('homeRegion');
  const homeRegion = stated.absent ? (homeOf(features, groups) ?? defaultHome) : readRegion(stated);
  if (homeRegion === undefined && stated.absent)
    stated.report('is missing, and no selected group tells the home region');
  if (name === undefined || homeRegion === undefined) return undefined;
  return {
    name,
    homeRegion,
    ...governance,
    features,
  };
}

/** `group:feature`, or `{group, as, keys, features}`. */
function readSelection(value: YamlValue): ServiceSelection | undefined {
  if (value.isText) {
    const reference = parseFeatureReference(value.optionalText() ?? '');
    if (reference !== undefined)
      return { group: formatGroupReference(reference), features: [reference.feature] };
    value.report('must be [home/]group[@vN]:feature');
    return undefined;
  }
  if (!value.checkFields(['group', 'as', 'keys', 'features'])) return undefined;
  const group = value.field('group').text();
  if (group !== undefined && parseGroupReference(group) === undefined) {
    value.field('group').report('must be [home/]group[@vN]');
  }
  const as = value.field('as').optionalText();
  const features = value.field('features').texts();
  const keys = readKeys(value.field('keys'));
  if (group === undefined) return undefined;
  return {
    group,
    ...(as === undefined ? {} : { as }),
    features,
    ...(keys === undefined ? {} : { keys }),
  };
}

/** Join key → request key. */
function readKeys(value: YamlValue): Record<string, string> | undefined {
  if (value.absent) return undefined;
  const names = value.fieldNames();
  if (!value.checkFields(names)) return undefined;
  return Object.fromEntries(
    names.flatMap(name => {
      const requestKey = value.field(name).text();
      return requestKey === undefined ? [] : [[name, requestKey]];
    }),
  );
}

/** Single references to one group become one selection, at the place of the first. */
function merged(selections: readonly ServiceSelection[]): readonly ServiceSelection[] {
  const result: ServiceSelection[] = [];
  for (const selection of selections) {
    const plain =
      selection.as === undefined && selection.keys === undefined && selection.features.length === 1;
    const at = plain ? result.findIndex(known => known.group === selection.group && isPlain(known)) : -1;
    const known = result[at];
    if (known === undefined) result.push(selection);
    else result[at] = { ...known, features: [...known.features, ...selection.features] };
  }
  return result;
}

function isPlain(selection: ServiceSelection): boolean {
  return selection.as === undefined && selection.keys === undefined && selection.features.length > 0;
}

function homeOf(
  features: readonly ServiceSelection[],
  groups: readonly FeatureGroupDefinition[],
): RegionId | undefined {
  const reference = parseGroupReference(features[0]?.group ?? '');
  if (reference?.home !== undefined) return isRegionId(reference.home) ? reference.home : undefined;
  return groups.find(({ name }) => name === reference?.name)?.homeRegion;
}
