import { createHash } from 'node:crypto';
import type { Officer } from '@featuremesh/domain/policy';
import { problem } from '@featuremesh/domain/problem';
import {
  MODE_APPROVALS,
  type RegistryModeDocument,
  type RegistryModeRecord,
  registryModeHashText,
} from '@featuremesh/domain/registry-mode';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { signatureProblem } from './policy-verification.ts';

/** The SHA-256 (hex) that officers sign. */
function registryModeHash(document: RegistryModeDocument): string {
  return createHash('sha256').update(registryModeHashText(document)).digest('hex');
}

/** What the signatures of a decision amount to, counted by this region's own officers. */
export interface ModeApproval {
  /** Distinct compliance officers besides the proposer. */
  readonly approvers: readonly string[];
  readonly sufficient: boolean;
}

/** Weighs a decision as a policy is weighed: strangers count for nothing, a false signature refuses the whole. */
export function modeApproval(record: RegistryModeRecord, officers: readonly Officer[]): Result<ModeApproval> {
  if (registryModeHash(record.document) !== record.hash)
    return fail(problem('INVALID_SIGNATURE', 'the hash is not that of the decision'));
  const approvers = new Set<string>();
  let proposer: string | undefined;
  for (const signature of record.signatures) {
    const wrong = signatureProblem(record.hash, signature, officers);
    if (wrong?.code === 'NOT_AN_OFFICER') continue;
    if (wrong !== undefined) return fail(wrong);
    if (signature.act === 'propose') proposer ??= signature.officer;
    else approvers.add(signature.officer);
  }
  if (proposer === undefined)
    return fail(problem('POLICY_NOT_APPROVED', 'no officer of this region proposed the decision'));
  approvers.delete(proposer);
  return ok({ approvers: [...approvers].sort(), sufficient: approvers.size >= MODE_APPROVALS });
}
