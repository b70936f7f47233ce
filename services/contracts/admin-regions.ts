import { z } from 'zod';
import { linkStatusSchema } from './link-status.ts';
import { regionInfoSchema } from './mesh-state.ts';
import { countSchema } from './wire-primitives.ts';

const groupVersion = { group: z.string(), version: z.int() };

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
      /** Null where the group keeps all. Rows with an event time before `cutOff` are gone for readers; `sweptAt`: when the last sweep began that removed them. */
      /** Null where the version is not purged. `held`: its rows are still being deleted here; `none`: this region never had a table of it. */
      purge: z
        .strictObject({ rows: z.enum(['held', 'deleted', 'none']), at: z.string().nullable() })
        .nullable(),
      retention: z.strictObject({ cutOff: z.string(), sweptAt: z.string().nullable() }).nullable(),
    }),
  ),
  /** After the online store was lost: what peers have to send before it may be read, and rows that nobody has any more. */
  rebuild: z
    .strictObject({
      awaited: z.array(z.strictObject({ ...groupVersion, peers: z.array(z.string()) })),
      lost: z.array(z.strictObject({ ...groupVersion, rows: countSchema })),
    })
    .exactOptional(),
});

/** A region's list of regions. */
export type RegionList = z.infer<typeof regionListSchema>;
/** A region's view of sync. */
export type SyncStatus = z.infer<typeof syncStatusSchema>;
