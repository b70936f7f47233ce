import { MAX_READ_FEATURES, MAX_READ_ROWS } from '@featuremesh/domain/limits';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import { z } from 'zod';

const GROUP_ID = /^[a-z2-7]{16}$/;

/** A ticket as it arrives in a `FeatureMatrix` reference; the region parses it like any other input. */
const readTicketSchema = z.strictObject({
  g: z.string().regex(GROUP_ID),
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

const PLAIN_MEMBERS: ReadonlySet<string> = new Set(['g', 'v', 'f', 'keys']);

/** True for a ticket as gateways nearly always send it, group, features and keys only, as the schema says. Everything else is the schema's. */
export function isPlainTicket(read: unknown): read is ReadTicket {
  if (typeof read !== 'object' || read === null) return false;
  for (const name of Object.keys(read)) if (!PLAIN_MEMBERS.has(name)) return false;
  const { g, v, f, keys } = read as Readonly<Record<string, unknown>>;
  if (typeof g !== 'string' || !GROUP_ID.test(g) || !Number.isSafeInteger(v) || Number(v) < 1) return false;
  if (!Array.isArray(f) || f.length > MAX_READ_FEATURES) return false;
  for (const name of f) if (typeof name !== 'string' || name.length > 256) return false;
  if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) return false;
  return Object.values(keys).every(column => Array.isArray(column) && column.length <= MAX_READ_ROWS);
}

/** A `FeatureMatrix` reference. */
export const matrixReferenceSchema = z.looseObject({ region: z.string(), read: readTicketSchema });

/** A `FeatureSlice` reference: the group's opaque id, with `@vN` where a version is meant. */
export const sliceReferenceSchema = z.looseObject({
  __typename: z.literal('FeatureSlice'),
  region: z.string(),
  group: z.string().regex(/^[a-z2-7]{16}(?:@v?[1-9]\d{0,5})?$/),
});
