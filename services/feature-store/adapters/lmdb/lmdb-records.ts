import { ProblemError, problem } from '@featuremesh/domain/problem';
import { z } from 'zod';

const countSchema = z.int().min(0);

/** A lease as kept in `meta`. */
export const leaseRecordSchema = z.strictObject({
  holder: z.string(),
  epoch: countSchema,
  untilMs: z.number(),
  /** Mark of the holder's process; absent where the system tells none. */
  process: z.string().exactOptional(),
});

/** An idempotency record as kept in `idempotency`, under its id. */
export const idempotencyValueSchema = z.strictObject({
  bodyHash: z.string(),
  answer: z.string(),
  storedAtMs: z.number(),
});

/** Parses what `meta` or `idempotency` hold. Throws a ProblemError CORRUPT_DATA; undefined stays undefined. */
export function parseRecord<T>(schema: z.ZodType<T>, value: unknown): T | undefined {
  if (value === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problem('CORRUPT_DATA', 'a record of the online store does not parse'));
}

/** A stored sequence or count; 0 where there is none. */
export function parseCount(value: unknown): number {
  return parseRecord(countSchema, value) ?? 0;
}
