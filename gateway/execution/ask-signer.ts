import { hash } from 'node:crypto';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import { type InternalKey, internalKeyOf, type RegionTokenSigner } from '@featuremesh/runtime/region-token';
import type { SignAsk } from './region-asker.ts';

/** What asks are signed with. */
export interface AskSignerOptions {
  readonly signer: RegionTokenSigner;
  readonly clock: Clock;
  /** The own region and its internal token; without it every ask is signed. */
  readonly own?: { readonly region: RegionId; readonly internalToken: () => string | undefined };
}

/**
 * States who asks: caller's claims, deadline, and the SHA-256 (hex) of the representations' JSON text, for one region. Signed with the
 * region's key; to the own region's service sealed by their internal token instead.
 */
export function askSigner({ signer, clock, own }: AskSignerOptions): SignAsk {
  let kept: { readonly token: string; readonly key: InternalKey } | undefined;
  const ownKey = (): InternalKey | undefined => {
    const token = own?.internalToken();
    if (token === undefined) return undefined;
    if (kept?.token !== token) kept = { token, key: internalKeyOf(token) };
    return kept.key;
  };
  return ({ region, caller, timeoutMs, representationsJson }) => {
    const claims = {
      caller: { jurisdictions: caller.jurisdictions, purposes: caller.purposes },
      deadlineMs: clock.nowMs() + timeoutMs,
      ticketHash: hash('sha256', representationsJson, 'hex'),
    };
    const key = region === own?.region ? ownKey() : undefined;
    const token = key === undefined ? signer.sign(claims, region) : signer.seal(claims, key);
    return { authorization: `Bearer ${token}` };
  };
}
