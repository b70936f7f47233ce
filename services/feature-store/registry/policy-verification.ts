import { createHash } from 'node:crypto';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Officer, OfficerSignature, PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import {
  changeOfPolicy,
  type PolicyChange,
  policyHashText,
  requiredApprovals,
  signedText,
} from '@featuremesh/domain/policy-rules';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { verifyText } from '@featuremesh/runtime/signing';

/** The SHA-256 (hex) that officers sign. */
export function policyHash(document: PolicyDocument): string {
  return createHash('sha256').update(policyHashText(document)).digest('hex');
}

/** Problem of one signature against this region's officers; undefined where it holds and the officer may do the act. */
export function signatureProblem(
  hash: string,
  signature: OfficerSignature,
  officers: readonly Officer[],
): Problem | undefined {
  const officer = officers.find(candidate => candidate.id === signature.officer);
  if (officer === undefined)
    return problem('NOT_AN_OFFICER', `${signature.officer} is not an officer named by this region`);
  if (signature.act === 'approve' && !officer.roles.includes('compliance'))
    return problem('NOT_AN_OFFICER', `${officer.id} may propose but not approve`);
  const text = signedText(hash, signature.act, signature.at);
  if (verifyText(officer.publicKey, text, signature.signature)) return undefined;
  return problem('INVALID_SIGNATURE', `the signature of ${officer.id} does not verify`);
}

/** What the signatures of a record amount to. */
export interface Approval {
  readonly change: PolicyChange;
  readonly required: number;
  readonly proposer: string;
  /** Distinct approvers other than the proposer (four eyes). */
  readonly approvers: readonly string[];
}

/**
 * Weighs a record by this region's own officers: signatures of people unknown here count for nothing, a false one refuses
 * the record. It is classed against every earlier version that is or may come into force. Whether the approvals suffice is for the
 * caller to say.
 */
export function weighApprovals(
  record: PolicyRecord,
  world: {
    readonly officers: readonly Officer[];
    readonly state: MeshState;
    readonly records: readonly PolicyRecord[];
    readonly nowMs: number;
  },
): Result<Approval> {
  const { document, hash, signatures } = record;
  if (policyHash(document) !== hash)
    return fail(problem('INVALID_SIGNATURE', 'the hash is not that of the policy'));
  const valid: OfficerSignature[] = [];
  let stranger: Problem | undefined;
  for (const signature of signatures) {
    const wrong = signatureProblem(hash, signature, world.officers);
    if (wrong === undefined) valid.push(signature);
    else if (wrong.code === 'NOT_AN_OFFICER') stranger ??= wrong;
    else return fail(wrong);
  }
  const proposer = valid.find(({ act }) => act === 'propose')?.officer;
  if (proposer === undefined)
    return fail(stranger ?? problem('POLICY_NOT_APPROVED', 'no officer of this region proposed the policy'));
  const approvers = new Set(valid.filter(({ act }) => act === 'approve').map(({ officer }) => officer));
  approvers.delete(proposer);
  const change = changeOfPolicy(document, earlierVersions(document, world.records), world.state, world.nowMs);
  return ok({ change, required: requiredApprovals(change), proposer, approvers: [...approvers].sort() });
}

/** The approved versions of the same policy below this one. */
export function earlierVersions(
  document: PolicyDocument,
  records: readonly PolicyRecord[],
): readonly PolicyRecord[] {
  return records.filter(
    ({ document: other, epoch }) =>
      epoch > 0 &&
      other.home === document.home &&
      other.name === document.name &&
      other.version < document.version,
  );
}

/** The newest of them. */
export function previousVersion(
  document: PolicyDocument,
  records: readonly PolicyRecord[],
): PolicyDocument | undefined {
  return earlierVersions(document, records).toSorted((a, b) => b.document.version - a.document.version)[0]
    ?.document;
}
