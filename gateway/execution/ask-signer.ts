import { hash } from 'node:crypto';
import { ProblemError } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import { type InternalKey, internalKeyOf, type RegionTokenSigner } from '@featuremesh/runtime/region-token';
import type { SignAsk } from './region-asker.ts';

/** How long a read internal token counts: a service that made another one is believed this much later. */
const TOKEN_KEPT_MS = 1_000;

/** What asks are signed with. */
export interface AskSignerOptions {
  readonly signer: RegionTokenSigner;
  readonly clock: Clock;
  /** The own region and its internal token, which throws a ProblemError while there is none; without it every ask is signed. */
  readonly own?: { readonly region: RegionId; readonly internalToken: () => string };
}

/**
 * States who asks: caller's claims, deadline, and the SHA-256 (hex) of the representations' JSON text, for one region. Signed with the
 * region's key; to the own region's service sealed by their internal token instead.
 */
export function askSigner({ signer, clock, own }: AskSignerOptions): SignAsk {
  let kept: { readonly key: InternalKey | undefined; readonly untilMs: number } | undefined;
  const ownKey = (): InternalKey | undefined => {
    if (own === undefined) return undefined;
    const nowMs = clock.nowMs();
    if (kept === undefined || nowMs >= kept.untilMs || nowMs < kept.untilMs - TOKEN_KEPT_MS)
      kept = { key: readKey(own.internalToken), untilMs: nowMs + TOKEN_KEPT_MS };
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

function readKey(internalToken: () => string): InternalKey | undefined {
  try {
    return internalKeyOf(internalToken());
  } catch (error) {
    if (error instanceof ProblemError) return undefined;
    throw error;
  }
}
