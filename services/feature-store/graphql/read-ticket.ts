import { MAX_READ_FEATURES, MAX_READ_ROWS } from '@featuremesh/domain/limits';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import { z } from 'zod';

/** A ticket as it arrives in a `FeatureMatrix` reference; the region parses it like any other input. */
const readTicketSchema = z.strictObject({
  g: z.string().regex(/^[a-z2-7]{16}$/),
  v: z.int().min(1),
  as: z.string().max(128).exactOptional(),
  f: z.array(z.string().max(256)).max(MAX_READ_FEATURES),
  keys: z.record(z.string(), z.array(z.unknown()).max(MAX_READ_ROWS)),
  maxAgeMs: z.number().min(0).exactOptional(),
  includeStale: z.boolean().exactOptional(),
  vectorsAs: z.enum(['array', 'base64f32']).exactOptional(),
  after: z.string().max(256).exactOptional(),
  purpose: z.string().max(128).exactOptional(),
  maxLagMs: z.number().min(0).exactOptional(),
}) satisfies z.ZodType<ReadTicket>;

/** A `FeatureMatrix` reference. */
export const matrixReferenceSchema = z.looseObject({ region: z.string(), read: readTicketSchema });

/** A `FeatureSlice` reference: the group's opaque id, with `@vN` where a version is meant. */
export const sliceReferenceSchema = z.looseObject({
  __typename: z.literal('FeatureSlice'),
  region: z.string(),
  group: z.string().regex(/^[a-z2-7]{16}(?:@v?[1-9]\d{0,5})?$/),
});
