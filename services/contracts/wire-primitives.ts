import type { GroupId } from '@featuremesh/domain/feature-group';
import type { RegionId } from '@featuremesh/domain/region-id';
import { z } from 'zod';

/** A schema whose output has a branded type: zod's own brand is another one than the domain's, the check is the same. */
const branded = <T extends string>(schema: z.ZodString): z.ZodType<T, string> =>
  schema as unknown as z.ZodType<T, string>;

/** A region id. */
export const regionIdSchema = branded<RegionId>(z.string().regex(/^[a-z0-9-]{1,24}$/));

/** A group's opaque id. */
export const groupIdSchema = branded<GroupId>(z.string().regex(/^[a-z2-7]{16}$/));

/** A count or sequence: a safe integer from 0. */
export const countSchema = z.int().min(0);

/** A version or revision, from 1. */
export const versionSchema = z.int().min(1).max(0xffff);

/** SHA-256 in lower-case hexadecimal. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

/** Where an acknowledged write stands (`domain/position`), as an object. */
export const positionSchema = z.strictObject({
  origin: regionIdSchema,
  feedEpoch: z.string().regex(/^[a-z0-9]{1,32}$/),
  groupId: z.string().regex(/^[a-z2-7]{16}$/),
  appender: z.int().min(0).max(0xffff),
  sequence: countSchema,
});
