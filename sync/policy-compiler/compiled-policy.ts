import type { RegionId } from '@featuremesh/domain/region-id';

/** A version of a group with the hash of its newest schema known here. */
export interface CompiledVersion {
  readonly version: number;
  readonly schemaHash: string;
}

/** A group that is exported to a peer: versions whose placement holds both regions. */
export interface ExportRule {
  readonly groupId: string;
  readonly versions: readonly CompiledVersion[];
  readonly policyEpoch: string;
}

/** What goes out to one peer. */
export interface LinkRules {
  readonly peer: RegionId;
  readonly exports: readonly ExportRule[];
  /** Subjects of OUT beside the link's own: one per exported group. */
  readonly outSubjects: readonly string[];
  /** What the relay may publish beside the link's own subject: the same list, held by another wall. */
  readonly relayPublish: readonly string[];
}

/** A version of a group that may come in, with the regions whose rows may be held here. */
export interface ImportVersion extends CompiledVersion {
  readonly origins: readonly RegionId[];
}

/** A group that may come in from a peer. */
export interface ImportRule {
  readonly groupId: string;
  readonly versions: readonly ImportVersion[];
  readonly policyEpoch: string;
}

/** What may come in from one peer. */
export interface ImportRules {
  readonly peer: RegionId;
  readonly groups: readonly ImportRule[];
}

/** Which gateways may carry answers that this region gives. */
export interface GatewayRule {
  readonly groupId: string;
  readonly version: number;
  readonly regions: readonly RegionId[];
}

/** All that follows from policy in one region: the only source of broker configuration, exporter and importer rules (A6). */
export interface CompiledPolicy {
  readonly self: RegionId;
  /** Revision of the mesh state that it was compiled from; not part of the hash. */
  readonly revision: number;
  readonly feedSubjects: readonly string[];
  readonly heldSubjects: readonly string[];
  readonly links: readonly LinkRules[];
  readonly imports: readonly ImportRules[];
  readonly gatewayRules: readonly GatewayRule[];
  /** SHA-256 (hex) over all of the above but the revision: what a region attests (R8). */
  readonly hash: string;
}

/** The rules towards a peer; exporting nothing where there are none. */
export function linkRulesOf(policy: CompiledPolicy, peer: string): readonly ExportRule[] {
  return policy.links.find(link => link.peer === peer)?.exports ?? [];
}

/** The rules for what a peer sends; permitting nothing where there are none. */
export function importRulesOf(policy: CompiledPolicy, peer: string): readonly ImportRule[] {
  return policy.imports.find(rules => rules.peer === peer)?.groups ?? [];
}
