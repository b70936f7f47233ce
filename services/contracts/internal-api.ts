import { z } from 'zod';
import { catalogueEntrySchema } from './catalogue-entry.ts';
import { countSchema } from './wire-primitives.ts';

/** Query of `GET /internal/v1/mesh-state`: answers at once where the revision exceeds `after`, else after `waitMs`. */
export const meshStateQuerySchema = z.strictObject({
  after: z.coerce.number().pipe(countSchema).default(0),
  waitMs: z.coerce.number().pipe(z.int().min(0).max(30_000)).default(0),
});

/** Query of `GET /internal/v1/own-entries`: with `peer`, what that region may know, its view first; else all that is in force. */
export const ownEntriesQuerySchema = z.strictObject({
  after: z.coerce.number().pipe(countSchema).default(0),
  peer: z.string().exactOptional(),
});

/** Body of `POST /internal/v1/entries`: what a peer told over CTL. Answer: 204. */
export const importEntriesSchema = z.strictObject({
  peer: z.string(),
  entries: z.array(catalogueEntrySchema).max(1_000),
});

/** Body of `POST /internal/v1/enforced`: the revision that the broker enforces, and the hash of what is running. Answer: 204. */
export const enforcedSchema = z.strictObject({ revision: countSchema, hash: z.string() });

/** Body of `POST /internal/v1/policy-confirmed`: a home region said over CTL that `epoch` is its newest as of `atMs`. Answer: 204. */
export const policyConfirmedSchema = z.strictObject({
  home: z.string(),
  epoch: countSchema,
  atMs: countSchema,
});

/** Query of `GET /internal/v1/refills`: which groups a lost store still needs from this peer. */
export const refillsQuerySchema = z.strictObject({ peer: z.string() });

const claimSchema = z.union([z.literal('all'), z.array(z.string())]);

/**
 * Body of `POST /internal/v1/online/read`: a client's read as it came, and what the own region's gateway knows of him. Answer: 200 where
 * this region answers all of it, else 204, and the gateway plans it.
 */
export const ownReadSchema = z.strictObject({
  caller: z.strictObject({ jurisdictions: claimSchema, purposes: claimSchema }),
  /** When nobody waits any more: ms since the Unix epoch. */
  deadlineMs: countSchema,
  request: z.unknown(),
});

/** Where a region's own gateway has a client's read answered as it came. */
export const OWN_READ_PATH = '/internal/v1/online/read';

const groupVersion = { groupId: z.string(), version: z.int().min(1) };

/** Answer of `GET /internal/v1/refills`. */
export const owedRefillsSchema = z.strictObject({ groups: z.array(z.strictObject(groupVersion)) });

/** Body of `POST /internal/v1/refilled`: the peer's snapshot of a group is in the log up to this sequence. */
export const refilledSchema = z.strictObject({
  peer: z.string(),
  ...groupVersion,
  throughSequence: countSchema,
});

/** Answer of `POST /internal/v1/refilled`: whether the store has applied it; where not, it is told again. */
export const refillAppliedSchema = z.strictObject({ applied: z.boolean() });

/** Query of `GET /internal/v1/snapshot`; `after` is the opaque text of the previous answer's `fm-next`. */
export const snapshotQuerySchema = z.strictObject({
  group: z.string(),
  version: z.coerce.number().pipe(z.int().min(1)),
  after: z.string().exactOptional(),
  limit: z.coerce.number().pipe(z.int().min(1).max(512)).default(512),
});

/** Headers of a snapshot page: the next `after` (absent on the last page), rows on the page, watermarks as JSON (first page). */
export const SNAPSHOT_HEADERS = { next: 'fm-next', rows: 'fm-rows', watermarks: 'fm-watermarks' } as const;
