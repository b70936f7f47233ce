import { z } from 'zod';
import { actorSchema } from './admin-definitions.ts';
import { countSchema, versionSchema } from './wire-primitives.ts';

const terms = {
  /** `[home/]group[@vN]`. */
  group: z.string().min(1).max(200),
  dryRun: z.boolean().default(false),
  expectedRevision: countSchema.exactOptional(),
  by: actorSchema.exactOptional(),
};

/** Body of `POST /v1/admin/promotions`: lets an alias point at the version that `group` names. `latest` moves by itself only. */
export const promotionRequestSchema = z.strictObject({
  ...terms,
  alias: z
    .literal('production', { error: 'only `production` is moved; `latest` is always the newest' })
    .default('production'),
  /** Refuses with CONCURRENT_CHANGE where the alias does not point at this version now. */
  expectedVersion: versionSchema.exactOptional(),
});

/** Body of `POST /v1/admin/retirements`: closes a group, or one version of it, to reads and writes. */
export const retirementRequestSchema = z.strictObject({
  ...terms,
  /** Retires it although other definitions depend on it; they then answer GROUP_RETIRED. */
  evenIfUsed: z.boolean().default(false),
  /** The last step: deletes the rows in every region, for good. */
  purge: z.boolean().default(false),
});

/** Answer of both: what changed, or would, and what follows; `revision` is the registry's after it. */
export const lifecycleAnswerSchema = z.strictObject({
  region: z.string(),
  group: z.string(),
  outcome: z.enum(['planned', 'done', 'unchanged']),
  versions: z.array(
    z.strictObject({ version: versionSchema, aliases: z.array(z.string()), state: z.string() }),
  ),
  consequences: z.array(z.string()),
  revision: countSchema,
});

/** A request to move an alias. */
export type PromotionRequest = z.infer<typeof promotionRequestSchema>;
/** A request to retire. */
export type RetirementRequest = z.infer<typeof retirementRequestSchema>;
/** The answer to either. */
export type LifecycleAnswer = z.infer<typeof lifecycleAnswerSchema>;
