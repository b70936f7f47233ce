import { z } from 'zod';

const openSnapshotSchema = z.object({
  requestId: z.string(),
  groups: z.array(z.object({ groupId: z.string(), version: z.int().min(1) })),
});

/** The part of an import's header that is the importer's cursor; the rest is for the projector. */
export const importHeaderSchema = z.object({
  linkEpoch: z.string(),
  linkSeq: z.int().min(0),
  hash: z.string(),
  open: z.array(openSnapshotSchema),
  retired: z.array(z.string()),
});

/** Why a batch was set aside, as its header says. */
export const heldReasonSchema = z.enum(['unknown-version', 'future-event-time', 'poison']);
