import { z } from 'zod';
import { countSchema, positionSchema, regionIdSchema, sha256Schema } from './wire-primitives.ts';

/** Version of the link's messages that this code writes and reads. */
export const LINK_PROTOCOL_VERSION = 1;

/**
 * `live`: own rows as they were accepted. `snapshot`: winners of any origin, for repair. `partial`: rows reduced to permitted
 * features. `progress`: nothing new by `sentAtMs`. `epoch`: the first message of a link epoch.
 */
const LINK_BATCH_KINDS = ['live', 'snapshot', 'partial', 'progress', 'epoch'] as const;

/** Previous hash of the first batch of a link epoch. */
export const FIRST_PREVIOUS_HASH = '0'.repeat(64);

const linkEpochSchema = z.string().regex(/^[a-z0-9]{1,32}$/);
const microsSchema = z.string().regex(/^-?\d{1,19}$/);

/** Batches that a purge removed from OUT: no gap for a group that is no longer permitted. */
const purgedRangeSchema = z.strictObject({
  groupId: z.string().regex(/^[a-z2-7]{16}$/),
  from: countSchema,
  through: countSchema,
});

/** What every message on OUT says in clear before its rows (A5). Unknown members are refused: a new one needs a new version. */
export const linkEnvelopeSchema = z
  .strictObject({
    protocolVersion: z.literal(LINK_PROTOCOL_VERSION),
    kind: z.enum(LINK_BATCH_KINDS),
    linkEpoch: linkEpochSchema,
    /** From 1, without gaps within a link epoch; equal to the sequence in OUT. */
    linkSeq: z.int().min(1),
    /** Chain hash of the batch before, or `FIRST_PREVIOUS_HASH`. */
    previousHash: sha256Schema,
    /** Empty for `progress` and `epoch`, which belong to no group; then `version` is 0 and `schemaHash` is empty. */
    groupId: z.string().regex(/^([a-z2-7]{16})?$/),
    version: z.int().min(0).max(0xffff),
    schemaHash: z.string().regex(/^([0-9a-f]{32})?$/),
    /** Opaque id of the policy in force at the exporter when the batch left. */
    policyEpoch: z.string().max(64),
    /** Origin of live rows; of a snapshot, the region that sends it. */
    origin: regionIdSchema,
    feedEpoch: z.string().regex(/^([a-z0-9]{1,32})?$/),
    /** Appender slot → first and last FEED sequence at the origin that the batch covers. */
    appenders: z.record(z.string().regex(/^\d{1,5}$/), z.tuple([countSchema, countSchema])),
    rows: countSchema,
    /** `domain/row-hash` over the rows. */
    rowHashSum: z.string().regex(/^[0-9a-f]{16}$/),
    /** Smallest and greatest physical part of the rows' stamps, µs since the Unix epoch; `0` without rows. */
    clockMinUs: microsSchema,
    clockMaxUs: microsSchema,
    /** Exporter's clock when the batch left. */
    sentAtMs: countSchema,
    snapshot: z
      .strictObject({
        requestId: z.string().max(64),
        last: z.boolean(),
        watermarks: z.array(positionSchema).max(10_000),
      })
      .exactOptional(),
    epoch: z
      .strictObject({
        previousEpoch: linkEpochSchema.nullable(),
        previousHead: z.strictObject({ linkSeq: countSchema, hash: sha256Schema }).nullable(),
        purged: z.array(purgedRangeSchema).max(10_000),
      })
      .exactOptional(),
  })
  .refine(envelope => (envelope.kind === 'snapshot') === (envelope.snapshot !== undefined), {
    message: '`snapshot` stands in snapshot batches, and only there',
  })
  .refine(envelope => (envelope.kind === 'epoch') === (envelope.epoch !== undefined), {
    message: '`epoch` stands in epoch messages, and only there',
  })
  .refine(
    envelope => (envelope.groupId === '') === (envelope.kind === 'progress' || envelope.kind === 'epoch'),
    {
      message: 'a group is named by batches of rows, and only by them',
    },
  );

/** The envelope of one message on OUT, version 1. */
export type LinkEnvelope = z.infer<typeof linkEnvelopeSchema>;
