import { z } from 'zod';
import { countSchema, regionIdSchema } from './wire-primitives.ts';

/** One end of a link as the sync agent reports it to its region's service (`POST /internal/v1/links`) and users see it. */
export const linkStatusSchema = z.strictObject({
  peer: regionIdSchema,
  /** `out`: this region exports to the peer; `in`: it imports from it. */
  direction: z.enum(['out', 'in']),
  connected: z.boolean(),
  /** Empty before the first message. */
  linkEpoch: z.string().max(32),
  linkSeq: countSchema,
  /** Out: stored and not acknowledged. In: received and not applied. */
  pendingBatches: countSchema,
  /** In: how far the peer's rows may be behind here. Null where it is not known; never 0 while rows are unapplied (S6). */
  lagMs: z.number().min(0).nullable(),
  gaps: countSchema,
  heldBatches: countSchema,
  shippedRows: countSchema,
  importedRows: countSchema,
  refusedBatches: countSchema,
  lastError: z.string().max(500).exactOptional(),
});

/** State of one end of a link; counters are since the agent's start. */
export type LinkStatus = z.infer<typeof linkStatusSchema>;

/** Body of `POST /internal/v1/links`. */
export const linkReportSchema = z.strictObject({ links: z.array(linkStatusSchema).max(1_000) });
