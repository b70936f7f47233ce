import { createHash } from 'node:crypto';
import type { DefinitionSet } from '@featuremesh/domain/definition-rules';
import type { FeatureDefinition, FeatureGroupDefinition, JoinKey } from '@featuremesh/domain/feature-group';
import { parseFeatureType } from '@featuremesh/domain/feature-type';
import type { OfficerSignature, PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import { policyHashText, signedText } from '@featuremesh/domain/policy-rules';
import { regionId } from '@featuremesh/domain/region-id';
import { signText } from '@featuremesh/runtime/signing';
import { OFFICERS } from './test-region.ts';

/** A feature from `name` and a written type; a trailing `?` makes it nullable. */
export function feature(name: string, type: string): FeatureDefinition {
  const parsed = parseFeatureType(type.replace('?', ''));
  if (parsed === undefined) throw new Error(`no type ${type}`);
  return { name, type: parsed, nullable: type.endsWith('?') };
}

/** A group over one entity of home us-east-1 with sensible defaults. */
export function group(
  name: string,
  more: Partial<Omit<FeatureGroupDefinition, 'features'>> & {
    features?: Readonly<Record<string, string>>;
  } = {},
): FeatureGroupDefinition {
  const { features = { mean: 'float64?' }, ...rest } = more;
  const homeRegion = rest.homeRegion ?? regionId('us-east-1');
  return {
    name,
    homeRegion,
    entities: ['airport'],
    tags: [],
    inputs: 'external',
    sync: { mode: 'local', regions: [homeRegion] },
    state: 'active',
    ...rest,
    features: Object.entries(features).map(([member, type]) => feature(member, type)),
  };
}

/** A definition set whose entities are given as name → join keys. */
export function definitions(
  groups: readonly FeatureGroupDefinition[],
  more: {
    entities?: Readonly<Record<string, readonly JoinKey[]>>;
    services?: DefinitionSet['services'];
  } = {},
): DefinitionSet {
  const entities = more.entities ?? { airport: [{ name: 'airport', type: 'string' }] };
  return {
    entities: Object.entries(entities).map(([name, joinKeys]) => ({ name, joinKeys, subject: false })),
    groups,
    services: more.services ?? [],
  };
}

/** A policy of us-east-1 over one group, allowed in the given regions. */
export function policy(more: Partial<PolicyDocument> & Pick<PolicyDocument, 'name'>): PolicyDocument {
  return {
    home: regionId('us-east-1'),
    version: 1,
    select: { groups: ['us-east-1/delays'], tags: [], entities: [] },
    allowed: { regions: ['us-east-1', 'us-west-2', 'eu-west-1'].map(regionId), jurisdictions: [] },
    rows: 'shared',
    egress: 'local-only',
    readers: { jurisdictions: null, purposes: null },
    visibility: 'full',
    maxPolicyAgeMs: null,
    basis: { kind: 'none', ref: '', expires: null },
    effective: { from: '2026-01-01T00:00:00Z', until: null },
    ...more,
  };
}

/** The hash that officers sign. */
export function hashOf(document: PolicyDocument): string {
  return createHash('sha256').update(policyHashText(document)).digest('hex');
}

/** An officer's real signature. */
export function signature(
  document: PolicyDocument,
  officer: keyof typeof OFFICERS,
  act: OfficerSignature['act'],
): OfficerSignature {
  const at = '2026-11-21T08:00:00Z';
  const text = signedText(hashOf(document), act, at);
  return { officer, act, at, signature: signText(OFFICERS[officer].key.privateKeyPem, text) };
}

/** A record with real signatures: proposed by `ana`, approved by the officers named. */
export function record(
  document: PolicyDocument,
  approvers: readonly (keyof typeof OFFICERS)[] = [],
  epoch = 0,
): PolicyRecord {
  const signatures = [
    signature(document, 'ana', 'propose'),
    ...approvers.map(officer => signature(document, officer, 'approve')),
  ];
  return { document, hash: hashOf(document), signatures, epoch };
}
