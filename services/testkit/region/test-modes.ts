import { createHash } from 'node:crypto';
import type { Officer, OfficerSignature } from '@featuremesh/domain/policy';
import { signedText } from '@featuremesh/domain/policy-rules';
import {
  type RegistryModeDocument,
  type RegistryModeRecord,
  registryModeHashText,
} from '@featuremesh/domain/registry-mode';
import { signText } from '@featuremesh/runtime/signing';
import { OFFICERS } from './test-region.ts';

/** The officers of the test mesh as every region names them. */
export const TEST_OFFICERS: readonly Officer[] = Object.entries(OFFICERS).map(([id, { key, roles }]) => ({
  id,
  publicKey: key.publicKey,
  roles,
}));

/** A decision about registries with real signatures: proposed by `ana`, approved by those named. */
export function modeRecord(
  document: RegistryModeDocument,
  approvers: readonly (keyof typeof OFFICERS)[] = ['ben', 'cleo'],
): RegistryModeRecord {
  const hash = createHash('sha256').update(registryModeHashText(document)).digest('hex');
  const sign = (officer: keyof typeof OFFICERS, act: OfficerSignature['act']): OfficerSignature => {
    const at = '2026-11-21T08:00:00Z';
    return {
      officer,
      act,
      at,
      signature: signText(OFFICERS[officer].key.privateKeyPem, signedText(hash, act, at)),
    };
  };
  const signatures = [sign('ana', 'propose'), ...approvers.map(officer => sign(officer, 'approve'))];
  return { document, hash, signatures, approved: false };
}
