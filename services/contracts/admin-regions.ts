import { z } from 'zod';
import { linkStatusSchema } from './link-status.ts';
import { regionInfoSchema } from './mesh-state.ts';
import { instantSchema } from './shapes.ts';
import { countSchema, regionIdSchema } from './wire-primitives.ts';

/**
 * What a region tells another one so that it can be joined: everything a peer entry of region.yaml needs, signed with the
 * region's key over the canonical JSON of `offer`.
 */
export const invitationSchema = z.strictObject({
  offer: z.strictObject({
    format: z.literal('featuremesh-invitation-1'),
    from: regionInfoSchema,
    linkUrl: z.string(),
    linkKey: z.string(),
    /** The region that may use it. */
    to: regionIdSchema,
    /** Hash of the invitation that this one answers; null on the first. */
    answers: z.string().nullable(),
    issuedAt: instantSchema,
    expiresAt: instantSchema,
  }),
  signature: z.string(),
});

/** A signed invitation or the answer to one. */
export type Invitation = z.infer<typeof invitationSchema>;

/** Answer of `GET /v1/admin/regions`. */
export const regionListSchema = z.strictObject({
  self: z.string(),
  regions: z.array(
    regionInfoSchema.extend({
      link: linkStatusSchema.nullable(),
      health: z.enum(['self', 'up', 'down', 'unknown']),
    }),
  ),
});

/** Answer of `GET /v1/admin/sync`: links and, per group held here, rows and lag. */
export const syncStatusSchema = z.strictObject({
  region: z.string(),
  links: z.array(linkStatusSchema),
  groups: z.array(
    z.strictObject({
      group: z.string(),
      id: z.string(),
      version: z.int(),
      placement: z.array(z.string()),
      replicated: z.boolean(),
      rows: countSchema.nullable(),
      lagMs: z.number().nullable(),
    }),
  ),
});

/** A region's list of regions. */
export type RegionList = z.infer<typeof regionListSchema>;
/** A region's view of sync. */
export type SyncStatus = z.infer<typeof syncStatusSchema>;
