import { createHash } from 'node:crypto';
import {
  type DefinitionsAnswer,
  type DefinitionsRequest,
  definitionsAnswerSchema,
} from '@featuremesh/contracts/admin-definitions';
import {
  type PolicyExplanation,
  type PolicyListItem,
  type PolicyPlan,
  policyAnswerSchema,
  policyExplanationSchema,
  policyListSchema,
  policyPlanSchema,
} from '@featuremesh/contracts/admin-policies';
import {
  type RegionList,
  regionListSchema,
  type SyncStatus,
  syncStatusSchema,
} from '@featuremesh/contracts/admin-regions';
import type { OfficerSignature, PolicyDocument } from '@featuremesh/domain/policy';
import { policyHashText, signedText } from '@featuremesh/domain/policy-rules';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { signText } from '@featuremesh/runtime/signing';
import type { z } from 'zod';
import type { JsonClient } from './json-client.ts';

/** Someone who signs policies: the id as in region.yaml and the private key, which never leaves this process. */
export interface Signer {
  readonly officer: string;
  readonly privateKeyPem: string;
}

/** Plans (`dryRun`) or applies definitions in the region asked. */
export async function sendDefinitions(
  client: JsonClient,
  request: DefinitionsRequest,
): Promise<DefinitionsAnswer> {
  return parsed(definitionsAnswerSchema, await client.post('/v1/admin/definitions', { json: request }));
}

/** Proposes a policy with its author's signature, made here at `nowMs`. */
export async function proposePolicy(
  client: JsonClient,
  document: PolicyDocument,
  by: Signer,
  nowMs: number,
): Promise<{ policy: PolicyListItem; plan: PolicyPlan }> {
  const hash = policyHash(document);
  const record = { document, hash, signatures: [officerSignature(hash, 'propose', by, nowMs)], epoch: 0 };
  return parsed(policyAnswerSchema, await client.post('/v1/admin/policies/propose', { json: { record } }));
}

/** Approves one version of a proposed policy: signs exactly the hash given. */
export async function approvePolicy(
  client: JsonClient,
  policy: { home: string; name: string; version: number; hash: string },
  by: Signer,
  nowMs: number,
): Promise<{ policy: PolicyListItem; plan: PolicyPlan }> {
  const { hash, ...which } = policy;
  const json = { ...which, signature: officerSignature(hash, 'approve', by, nowMs) };
  return parsed(policyAnswerSchema, await client.post('/v1/admin/policies/approve', { json }));
}

/** What a policy would change, without storing it. */
export async function planPolicy(client: JsonClient, document: PolicyDocument): Promise<PolicyPlan> {
  return parsed(policyPlanSchema, await client.post('/v1/admin/policies/plan', { json: { document } }));
}

/** All policies that the region knows, with their state now. */
export async function listPolicies(client: JsonClient): Promise<readonly PolicyListItem[]> {
  return parsed(policyListSchema, await client.get('/v1/admin/policies')).policies;
}

/** Why a group is where it is. */
export async function explainPolicy(client: JsonClient, group: string): Promise<PolicyExplanation> {
  const value = await client.get(`/v1/admin/policies/explain?group=${encodeURIComponent(group)}`);
  return parsed(policyExplanationSchema, value);
}

/** Links, groups, rows and lag as the region sees them. */
export async function syncStatus(client: JsonClient): Promise<SyncStatus> {
  return parsed(syncStatusSchema, await client.get('/v1/admin/sync'));
}

/** The regions that the region knows, itself among them. */
export async function regionList(client: JsonClient): Promise<RegionList> {
  return parsed(regionListSchema, await client.get('/v1/admin/regions'));
}

/** SHA-256 (hex) of the policy's canonical text: what is proposed, approved and compared. */
export function policyHash(document: PolicyDocument): string {
  return createHash('sha256').update(policyHashText(document)).digest('hex');
}

/** An officer's signature over a hash and an act, made here at `nowMs`; the key never leaves this process. */
export function officerSignature(
  hash: string,
  act: OfficerSignature['act'],
  by: Signer,
  nowMs: number,
): OfficerSignature {
  const at = new Date(nowMs).toISOString();
  return { officer: by.officer, act, at, signature: signText(by.privateKeyPem, signedText(hash, act, at)) };
}

/** Parses an answer; the server speaks another version of the contract where it does not fit. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const first = result.error.issues[0];
  throw new ProblemError(
    problem(
      'INTERNAL',
      `the answer does not have the expected shape (${first?.path.join('.') ?? ''}: ${first?.message ?? ''}); is the region of another version?`,
    ),
  );
}
