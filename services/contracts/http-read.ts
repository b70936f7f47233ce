import type { OnlineAnswer, OnlineReadRequest } from '@featuremesh/domain/online-answer';
import { problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { VALUE_STATUSES } from '@featuremesh/domain/value-status';
import { z } from 'zod';
import { issuesOf } from './issues.ts';
import { assertSameShape } from './shapes.ts';
import { countSchema } from './wire-primitives.ts';

/** Of a service or feature reference. */
const MAX_NAME_CHARS = 256;

/** The body of `POST /v1/online/read`, on regions and gateways, and the arguments of GraphQL's `online`. */
const onlineReadRequestSchema = z.strictObject({
  service: z.string().min(1).max(MAX_NAME_CHARS).exactOptional(),
  features: z.array(z.string().min(1).max(MAX_NAME_CHARS)).exactOptional(),
  keys: z.record(z.string(), z.unknown()),
  context: z.record(z.string(), z.unknown()).exactOptional(),
  maxAgeMs: countSchema.exactOptional(),
  maxLagMs: countSchema.exactOptional(),
  consistency: z
    .union([z.enum(['nearest', 'home']), z.strictObject({ after: z.string().max(256) })], {
      error: '`nearest`, `home`, or {"after": "<position>"}',
    })
    .exactOptional(),
  purpose: z.string().min(1).max(100).exactOptional(),
  includeStale: z.boolean().exactOptional(),
  vectorsAs: z.enum(['array', 'base64f32']).exactOptional(),
});

const statusSchema = z.enum(VALUE_STATUSES);

/** The answer of `POST /v1/online/read`. */
export const onlineAnswerSchema = z.strictObject({
  rows: countSchema,
  results: z.array(
    z.strictObject({
      group: z.string(),
      as: z.string().exactOptional(),
      version: z.int(),
      region: z.string().nullable(),
      rowIndex: z.array(z.int().min(-1)).exactOptional(),
      names: z.array(z.string()),
      columns: z.array(z.array(z.unknown())).nullable(),
      statuses: z.array(z.union([statusSchema, z.array(statusSchema)])),
      eventTimes: z.array(z.string().nullable()).nullable(),
      source: z
        .strictObject({
          region: z.string(),
          replica: z.boolean(),
          lagMs: z.number().nullable(),
          policyEpoch: z.string(),
        })
        .exactOptional(),
      problem: z
        .strictObject({
          code: z.string(),
          region: z.string().nullable(),
          retryable: z.boolean(),
          detail: z.string().exactOptional(),
          candidates: z
            .array(z.strictObject({ region: z.string(), publicGatewayUrl: z.string() }))
            .exactOptional(),
        })
        .exactOptional(),
    }),
  ),
});

/** Parses a read request; INVALID_REQUEST with every issue and its path. Null members count as absent (GraphQL sends them). */
export function parseOnlineReadRequest(value: unknown): Result<OnlineReadRequest> {
  if (isPlainRead(value)) return ok(value);
  const parsed = onlineReadRequestSchema.safeParse(withoutNulls(value));
  if (parsed.success) return ok(parsed.data);
  return fail(
    problem('INVALID_REQUEST', 'The read request is not valid', { issues: issuesOf(parsed.error) }),
  );
}

/** True for what nearly every request is: `service` or `features`, and `keys`, as the schema says. Everything else is the schema's. */
function isPlainRead(value: unknown): value is OnlineReadRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  let hasKeys = false;
  for (const [name, member] of Object.entries(value)) {
    if (name === 'keys' && isRecord(member)) hasKeys = true;
    else if (name === 'service' && isName(member)) continue;
    else if (name === 'features' && Array.isArray(member) && member.every(isName)) continue;
    else return false;
  }
  return hasKeys;
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME_CHARS;
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== null && member !== undefined),
  );
}

assertSameShape<z.infer<typeof onlineReadRequestSchema>, OnlineReadRequest>(true);
assertSameShape<z.infer<typeof onlineAnswerSchema>, OnlineAnswer>(true);
