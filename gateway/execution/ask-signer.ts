import { createHash } from 'node:crypto';
import type { Clock } from '@featuremesh/runtime/clock';
import type { RegionTokenSigner } from '@featuremesh/runtime/region-token';
import type { SignAsk } from './region-asker.ts';

/** Signs asks with the region's key: caller's claims, deadline, and the SHA-256 (hex) of the representations' JSON text, for one region. */
export function askSigner(signer: RegionTokenSigner, clock: Clock): SignAsk {
  return async ({ region, caller, timeoutMs, representationsJson }) => {
    const token = await signer.sign(
      {
        caller: { jurisdictions: caller.jurisdictions, purposes: caller.purposes },
        deadlineMs: clock.nowMs() + timeoutMs,
        ticketHash: createHash('sha256').update(representationsJson).digest('hex'),
      },
      region,
    );
    return { authorization: `Bearer ${token}` };
  };
}
