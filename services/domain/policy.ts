import type { RegionId } from './region-id.ts';

/** Which gateways beyond the placement may carry answers: none, those that share a jurisdiction with the holder, all. */
export const EGRESS_CLASSES = ['local-only', 'in-domain', 'proxy'] as const;

/** An egress class as written in a policy. */
export type EgressClass = (typeof EGRESS_CLASSES)[number];

/** How much of a group other regions may know: everything, an opaque id, nothing. */
export const VISIBILITIES = ['full', 'opaque', 'hidden'] as const;

/** A visibility as written in a policy. */
export type Visibility = (typeof VISIBILITIES)[number];

/** A policy as its author wrote it, parsed, with defaults written out before hashing (A6). */
export interface PolicyDocument {
  readonly name: string;
  readonly home: RegionId;
  readonly version: number;
  /** A group matches where any of the lists names it: `home/group`, a `policy/…` tag, an entity. */
  readonly select: {
    readonly groups: readonly string[];
    readonly tags: readonly string[];
    readonly entities: readonly string[];
  };
  readonly allowed: { readonly regions: readonly RegionId[]; readonly jurisdictions: readonly string[] };
  readonly rows: 'shared' | 'origin';
  readonly egress: EgressClass;
  /** Null lists mean the default: the jurisdictions of the placement; any purpose. */
  readonly readers: {
    readonly jurisdictions: readonly string[] | null;
    readonly purposes: readonly string[] | null;
  };
  readonly visibility: Visibility;
  readonly maxPolicyAgeMs: number | null;
  readonly basis: { readonly kind: string; readonly ref: string; readonly expires: string | null };
  /** RFC 3339 instants in UTC; `until: null` means without end. */
  readonly effective: { readonly from: string; readonly until: string | null };
}

/** A detached Ed25519 signature by an officer, over the policy's hash and the act. */
export interface OfficerSignature {
  readonly officer: string;
  readonly act: 'propose' | 'approve';
  /** RFC 3339, the signer's clock; part of what is signed. */
  readonly at: string;
  /** Base64. */
  readonly signature: string;
}

/** A policy on its way into force or in force: the document, its hash, and who signed. Travels on CTL; verified by every region. */
export interface PolicyRecord {
  readonly document: PolicyDocument;
  /** SHA-256 hex of the document's canonical JSON. */
  readonly hash: string;
  readonly signatures: readonly OfficerSignature[];
  /** Set by the home region when it came into force, counted per home region; 0 while it is only proposed. */
  readonly epoch: number;
}

/** A person who may sign policies, as named in region.yaml: the only root of trust. */
export interface Officer {
  readonly id: string;
  /** Base64 of the raw 32-byte Ed25519 public key. */
  readonly publicKey: string;
  readonly roles: readonly OfficerRole[];
}

/** `owner` proposes; `compliance` proposes and approves. */
export type OfficerRole = 'owner' | 'compliance';
