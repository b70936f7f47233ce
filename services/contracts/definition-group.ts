import { parseDuration } from '@featuremesh/domain/duration';
import {
  type Deprecation,
  type EntityDefinition,
  type FeatureDefinition,
  type FeatureGroupDefinition,
  type Governance,
  type JoinKey,
  type SourceDefinition,
  SYNC_MODES,
} from '@featuremesh/domain/feature-group';
import { JOIN_KEY_TYPES, parseFeatureType, SCALAR_TYPES } from '@featuremesh/domain/feature-type';
import { isRegionId, type RegionId } from '@featuremesh/domain/region-id';
import { closestName } from './closest-name.ts';
import type { YamlValue } from './yaml-value.ts';

/** An entity; undefined where something was noted that leaves it without a name. */
export function readEntity(value: YamlValue): EntityDefinition | undefined {
  if (!value.checkFields(['name', 'joinKeys', 'subject', 'description'])) return undefined;
  const name = value.field('name').text();
  if (value.field('joinKeys').absent) value.field('joinKeys').report('is missing');
  const joinKeys = value.field('joinKeys').items().map(readJoinKey);
  const subject = value.field('subject').flag(false);
  const description = value.field('description').optionalText();
  if (name === undefined) return undefined;
  return {
    name,
    joinKeys: joinKeys.filter(key => key !== undefined),
    subject,
    ...(description === undefined ? {} : { description }),
  };
}

function readJoinKey(value: YamlValue): JoinKey | undefined {
  if (!value.checkFields(['name', 'type', 'role'])) return undefined;
  const name = value.field('name').text();
  const typeText = value.field('type').text();
  const type = JOIN_KEY_TYPES.find(known => known === typeText);
  if (typeText !== undefined && type === undefined) {
    value.field('type').report(`a join key's type is one of ${JOIN_KEY_TYPES.join(', ')}`);
  }
  const role = value.field('role');
  if (!role.absent) role.oneOf(['region'], 'region');
  if (name === undefined || type === undefined) return undefined;
  return { name, type, ...(role.absent ? {} : { role: 'region' }) };
}

/** Members that groups and services share. */
export const GOVERNANCE_FIELDS = ['description', 'owner', 'team', 'tags', 'deprecated'] as const;

const GROUP_FIELDS = [
  'name',
  'entity',
  'entities',
  'homeRegion',
  ...GOVERNANCE_FIELDS,
  'sources',
  'inputs',
  'maxAge',
  'retention',
  'sync',
  'features',
  'state',
] as const;

/** A feature group with its defaults written out; undefined where something was noted that leaves it without a name or home. */
export function readGroup(value: YamlValue): FeatureGroupDefinition | undefined {
  if (!value.checkFields(GROUP_FIELDS, ['source', 'aggregates', 'derived'])) return undefined;
  const name = value.field('name').text();
  const homeRegion = readRegion(value.field('homeRegion'));
  const entities = readEntities(value);
  const governance = readGovernance(value);
  const sources = value.field('sources').items().map(readSource);
  const inputs = readInputs(value.field('inputs'));
  const maxAgeMs = readDuration(value.field('maxAge'));
  const retentionMs = readDuration(value.field('retention'));
  const sync = readSync(value.field('sync'));
  if (value.field('features').absent) value.field('features').report('is missing');
  const features = value.field('features').items().map(readFeature);
  const state = value.field('state').oneOf(['active', 'retired'], 'active');
  if (name === undefined || homeRegion === undefined) return undefined;
  return {
    name,
    homeRegion,
    entities,
    ...governance,
    ...(sources.length === 0 ? {} : { sources: sources.filter(source => source !== undefined) }),
    inputs,
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(retentionMs === undefined ? {} : { retentionMs }),
    sync: { mode: sync.mode, regions: sync.regions ?? [homeRegion] },
    features: features.filter(feature => feature !== undefined),
    state,
  };
}

/** Owner, team, tags, description and deprecation of a group or service. */
export function readGovernance(value: YamlValue): Governance {
  const description = value.field('description').optionalText();
  const owner = value.field('owner').optionalText();
  const team = value.field('team').optionalText();
  const tags = [...new Set(value.field('tags').texts())];
  const deprecated = readDeprecation(value.field('deprecated'));
  return {
    ...(description === undefined ? {} : { description }),
    ...(owner === undefined ? {} : { owner }),
    ...(team === undefined ? {} : { team }),
    tags,
    ...(deprecated === undefined ? {} : { deprecated }),
  };
}

function readDeprecation(value: YamlValue): Deprecation | undefined {
  if (value.absent || !value.checkFields(['since', 'successor', 'reason'])) return undefined;
  const since = value.field('since').text();
  const successor = value.field('successor').optionalText();
  const reason = value.field('reason').optionalText();
  if (since === undefined) return undefined;
  return {
    since,
    ...(successor === undefined ? {} : { successor }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A name alone, or `{name, description}`. */
function readSource(value: YamlValue): SourceDefinition | undefined {
  if (!value.isText && !value.checkFields(['name', 'description'])) return undefined;
  const name = value.isText ? value.text() : value.field('name').text();
  const description = value.isText ? undefined : value.field('description').optionalText();
  return name === undefined ? undefined : { name, ...(description === undefined ? {} : { description }) };
}

function readEntities(value: YamlValue): string[] {
  const [one, several] = [value.field('entity'), value.field('entities')];
  if (!one.absent && !several.absent) several.report('`entity` and `entities` exclude each other');
  if (!several.absent) return several.texts();
  const entity = one.text();
  return entity === undefined ? [] : [entity];
}

function readInputs(value: YamlValue): 'external' | string[] {
  if (value.absent || (value.isText && value.optionalText() === 'external')) return 'external';
  if (value.isList) return value.texts();
  value.report('must be `external` or a list of feature groups');
  return 'external';
}

function readSync(value: YamlValue): {
  mode: FeatureGroupDefinition['sync']['mode'];
  regions: RegionId[] | undefined;
} {
  if (value.absent || !value.checkFields(['mode', 'regions'], ['filter', 'features'])) {
    return { mode: 'local', regions: undefined };
  }
  const mode = value.field('mode').oneOf(SYNC_MODES, 'local');
  if (mode === 'hub-and-spoke' || mode === 'batch-copy') {
    value.field('mode').report(`the sync mode ${mode} is not supported yet`, 'NOT_YET_SUPPORTED');
  }
  const regions = value.field('regions');
  if (regions.absent) return { mode, regions: undefined };
  const ids = regions
    .items()
    .map(readRegion)
    .filter(id => id !== undefined);
  return { mode, regions: [...new Set(ids)].toSorted() };
}

function readFeature(value: YamlValue): FeatureDefinition | undefined {
  if (!value.checkFields(['name', 'type', 'nullable', 'description', 'from'])) return undefined;
  const name = value.field('name').text();
  const typeText = value.field('type').text();
  const type = typeText === undefined ? undefined : parseFeatureType(typeText);
  if (typeText !== undefined && type === undefined) {
    const close = closestName(typeText, SCALAR_TYPES);
    const hint =
      close === undefined ? `${SCALAR_TYPES.join(', ')}, T[], float32[N]` : `did you mean \`${close}\`?`;
    value.field('type').report(`unknown type ${JSON.stringify(typeText)}; ${hint}`);
  }
  const nullable = value.field('nullable').flag(false);
  const description = value.field('description').optionalText();
  const from = value.field('from');
  const inputs = from.isText ? [from.optionalText() ?? ''] : from.texts();
  if (name === undefined || type === undefined) return undefined;
  return {
    name,
    type,
    nullable,
    ...(description === undefined ? {} : { description }),
    ...(inputs.length === 0 ? {} : { from: inputs }),
  };
}

/** A region id that must be there. */
export function readRegion(value: YamlValue): RegionId | undefined {
  const text = value.text();
  if (text === undefined || isRegionId(text)) return text;
  value.report('a region id is [a-z0-9-]{1,24}');
  return undefined;
}

/** A duration in milliseconds; undefined where it is absent. */
export function readDuration(value: YamlValue): number | undefined {
  if (value.absent) return undefined;
  const durationMs = value.isText ? parseDuration(value.optionalText() ?? '') : undefined;
  if (durationMs === undefined) value.report('must be a duration such as 30s, 15m, 36h or 400d');
  return durationMs;
}
