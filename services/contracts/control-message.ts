import { z } from 'zod';
import { catalogueEntrySchema } from './catalogue-entry.ts';
import { countSchema, groupIdSchema, regionIdSchema, versionSchema } from './wire-primitives.ts';

/** Version of the messages on CTL that this code writes and reads. */
export const CONTROL_PROTOCOL_VERSION = 1;

/** Entries of one catalogue message; more are told in several. */
const MAX_CONTROL_ENTRIES = 200;

/** Groups of one snapshot request. */
const MAX_SNAPSHOT_GROUPS = 1_000;

const heading = { protocolVersion: z.literal(CONTROL_PROTOCOL_VERSION) };
const requestIdSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const groupVersionSchema = z.strictObject({ groupId: groupIdSchema, version: versionSchema });

/** Why rows of a group are asked for anew. */
const SNAPSHOT_REASONS = [
  'new-group',
  'gap',
  'broken-chain',
  'link-epoch',
  'overrun',
  'divergence',
  'operator',
] as const;

/**
 * A message on CTL (A5): read before rows, one in flight. `hello` begins a link epoch; `catalogue` and `policy-confirmed` carry
 * definitions and policy; a snapshot is asked for and declined here, and sent on OUT.
 */
export const controlMessageSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...heading,
    kind: z.literal('hello'),
    linkEpoch: z.string().regex(/^[a-z0-9]{1,32}$/),
    contractVersion: z.int().min(1),
  }),
  z.strictObject({
    ...heading,
    kind: z.literal('catalogue'),
    entries: z.array(catalogueEntrySchema).max(MAX_CONTROL_ENTRIES),
  }),
  /** The home region says that `epoch` is the newest policy of its own as of `atMs` (its clock). */
  z.strictObject({
    ...heading,
    kind: z.literal('policy-confirmed'),
    home: regionIdSchema,
    epoch: countSchema,
    atMs: countSchema,
  }),
  z.strictObject({
    ...heading,
    kind: z.literal('snapshot-request'),
    requestId: requestIdSchema,
    groups: z.array(groupVersionSchema).min(1).max(MAX_SNAPSHOT_GROUPS),
    reason: z.enum(SNAPSHOT_REASONS),
  }),
  z.strictObject({
    ...heading,
    kind: z.literal('snapshot-declined'),
    requestId: requestIdSchema,
    groups: z.array(groupVersionSchema).min(1).max(MAX_SNAPSHOT_GROUPS),
    reason: z.enum(['not-permitted', 'unknown-group', 'busy']),
  }),
]);

/** A message on CTL, version 1. */
export type ControlMessage = z.infer<typeof controlMessageSchema>;
