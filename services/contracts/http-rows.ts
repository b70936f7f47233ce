import { MAX_LISTED_REJECTIONS } from '@featuremesh/domain/limits';
import { z } from 'zod';
import { countSchema } from './wire-primitives.ts';

/** One row of a JSON or NDJSON write; values are judged later, against the group's schema. */
const rowInputSchema = z.strictObject({
  key: z.record(z.string(), z.unknown()),
  eventTime: z.string(),
  createdTime: z.string().exactOptional(),
  features: z.record(z.string(), z.unknown()).exactOptional(),
  deleted: z.literal(true).exactOptional(),
});

/** One row of a write, as sent. */
export type RowInput = z.infer<typeof rowInputSchema>;

/** The answer of `POST /v1/groups/{group}/rows`: 200 nothing rejected, 207 some, 422 all. */
export const writeAnswerSchema = z.strictObject({
  accepted: countSchema,
  duplicates: countSchema,
  rejectedTotal: countSchema,
  rejected: z
    .array(
      z.strictObject({
        index: countSchema,
        code: z.string(),
        message: z.string(),
        /** For WRONG_REGION: the region that takes the row, and its public URL. */
        region: z.string().exactOptional(),
        publicUrl: z.string().exactOptional(),
      }),
    )
    .max(MAX_LISTED_REJECTIONS),
  /** Opaque token; null where nothing was accepted. */
  position: z.string().nullable(),
  online: z.enum(['APPLIED', 'PENDING']),
});

/** The answer to a write. */
export type WriteAnswer = z.infer<typeof writeAnswerSchema>;

/** Query parameters of a write. */
export const writeQuerySchema = z.strictObject({
  onReject: z.enum(['fail', 'skip']).exactOptional(),
  nonFinite: z.enum(['null', 'refuse']).exactOptional(),
});
