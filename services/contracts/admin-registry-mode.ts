import { z } from 'zod';
import { registryModeRecordSchema } from './catalogue-entry.ts';
import { officerSignatureSchema } from './mesh-state.ts';
import { countSchema } from './wire-primitives.ts';

/** Body of `POST /v1/admin/registry-mode/propose`: the decision, its hash and the author's signature. */
export const proposeModeSchema = z.strictObject({ record: registryModeRecordSchema });

/** Body of `POST /v1/admin/registry-mode/approve`: an officer's signature over the hash of a decision that is proposed there. */
export const approveModeSchema = z.strictObject({ hash: z.string(), signature: officerSignatureSchema });

/** Answer of `GET /v1/admin/registry-mode`, `propose` and `approve`: decisions, and what does not stand because of them. */
export const registryModesSchema = z.strictObject({
  region: z.string(),
  decisions: z.array(
    z.strictObject({
      record: registryModeRecordSchema,
      state: z.enum(['proposed', 'in-force', 'replaced', 'conflicting']),
      approvals: countSchema,
      requiredApprovals: countSchema,
      /** Regions that said that they have taken over what the decision gives them, as far as known here. */
      takenOverBy: z.array(z.string()),
    }),
  ),
  /** Definitions that a region accepted which no longer had the say. Apply them again where they are accepted now. */
  lost: z.array(
    z.strictObject({
      kind: z.enum(['entity', 'group', 'service']),
      definition: z.string(),
      acceptedBy: z.string(),
      registryEpoch: countSchema,
    }),
  ),
});

/** Decisions about who accepts definitions, as one region knows them. */
export type RegistryModesAnswer = z.infer<typeof registryModesSchema>;
