import { z } from 'zod';
import { instantSchema } from './shapes.ts';

/** Where long work stands. `blocked` goes on by itself once its blockers are gone. */
const OPERATION_STATES = ['pending', 'running', 'blocked', 'done', 'failed', 'cancelled'] as const;

/** Long work with an id, followed at `GET /v1/operations/{id}`. */
const operationSchema = z.strictObject({
  id: z.string(),
  kind: z.string(),
  state: z.enum(OPERATION_STATES),
  /** 0 … 1 where it is known, with the counts behind it. */
  progress: z.strictObject({
    fraction: z.number().min(0).max(1).nullable(),
    done: z.number(),
    total: z.number().nullable(),
  }),
  blockers: z.array(z.strictObject({ region: z.string(), reason: z.string(), since: instantSchema })),
  receipts: z.array(
    z.strictObject({ region: z.string(), kind: z.string(), at: instantSchema, signature: z.string() }),
  ),
  startedAt: instantSchema,
  finishedAt: instantSchema.nullable(),
});

/** Long work as answered. */
export type Operation = z.infer<typeof operationSchema>;

/** The body of a 202 answer. */
export const operationAnswerSchema = z.strictObject({ operation: operationSchema });

/** The body of `GET /v1/operations`. */
export const operationListSchema = z.strictObject({ operations: z.array(operationSchema) });
