import { z } from 'zod';
import { officerSignatureSchema, policyDocumentSchema, policyRecordSchema } from './mesh-state.ts';

/** Body of `POST /v1/admin/policies/propose`: the document, its hash and the author's signature (epoch 0). */
export const proposePolicySchema = z.strictObject({ record: policyRecordSchema });

/** Body of `POST /v1/admin/policies/plan`: judges a document without storing it. */
export const planPolicySchema = z.strictObject({ document: policyDocumentSchema });

/** Body of `POST /v1/admin/policies/approve`: an officer's signature over the proposed version's hash. */
export const approvePolicySchema = z.strictObject({
  home: z.string(),
  name: z.string(),
  version: z.int().min(1),
  signature: officerSignatureSchema,
});

/** How a change of policy acts and what it does to each group. */
export const policyPlanSchema = z.strictObject({
  change: z.enum(['loosening', 'tightening', 'neutral']),
  /** Fields that become wider, in words. */
  wider: z.array(z.string()),
  requiredApprovals: z.int(),
  groups: z.array(
    z.strictObject({
      group: z.string(),
      placementBefore: z.array(z.string()),
      placementAfter: z.array(z.string()),
      /** Regions that the definition wishes and policy refuses. */
      refusedWishes: z.array(z.string()),
    }),
  ),
});

/** One policy as listed: `state` is judged now. */
const policyListItemSchema = z.strictObject({
  record: policyRecordSchema,
  state: z.enum(['proposed', 'approved', 'in-force', 'expired', 'superseded']),
  approvals: z.int(),
  requiredApprovals: z.int(),
});

/** Answer of `propose` and `approve`. */
export const policyAnswerSchema = z.strictObject({ policy: policyListItemSchema, plan: policyPlanSchema });

/** Answer of `GET /v1/admin/policies`. */
export const policyListSchema = z.strictObject({ policies: z.array(policyListItemSchema) });

/** Answer of `GET /v1/admin/policies/explain?group=…`: where rows may be, who may read, and by which policies. */
export const policyExplanationSchema = z.strictObject({
  group: z.string(),
  allowed: z.array(z.string()),
  placement: z.array(z.string()),
  gatewaySets: z.record(z.string(), z.array(z.string())),
  rows: z.enum(['shared', 'origin']),
  replicated: z.boolean(),
  egress: z.string(),
  readers: z.strictObject({
    jurisdictions: z.array(z.string()).nullable(),
    purposes: z.array(z.string()).nullable(),
    byPlacement: z.boolean(),
  }),
  visibility: z.string(),
  maxPolicyAgeMs: z.number().nullable(),
  policyEpoch: z.string(),
  /** Regions that the definition wishes and policy refuses. */
  refusedWishes: z.array(z.string()),
  policies: z.array(
    z.strictObject({ home: z.string(), name: z.string(), version: z.int(), inputOf: z.string().nullable() }),
  ),
});

/** How a change of policy acts. */
export type PolicyPlan = z.infer<typeof policyPlanSchema>;
/** One listed policy. */
export type PolicyListItem = z.infer<typeof policyListItemSchema>;
/** Why a group is where it is. */
export type PolicyExplanation = z.infer<typeof policyExplanationSchema>;
