import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { z } from 'zod';
import {
  catalogueEntitySchema,
  catalogueGroupSchema,
  catalogueServiceSchema,
  officerSignatureSchema,
  opaqueGroupSchema,
  policyRecordSchema,
  regionInfoSchema,
} from './mesh-state.ts';
import { assertSameShape } from './shapes.ts';
import { countSchema, regionIdSchema } from './wire-primitives.ts';

const common = { home: z.string(), sequence: countSchema, serial: countSchema.exactOptional() };

const hashSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** By which decision a region speaks for a definition. */
const ruled = {
  ...common,
  ruling: z
    .strictObject({
      decision: hashSchema,
      epoch: countSchema,
      adopted: z.record(z.string(), countSchema).exactOptional(),
    })
    .exactOptional(),
};

/** A decision of the mesh about who accepts definitions, with its signatures. */
export const registryModeRecordSchema = z.strictObject({
  document: z.strictObject({
    prefix: z.string().regex(/^([a-z][a-z0-9_.]{0,125})?$/),
    mode: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('federated') }),
      z.strictObject({ kind: z.literal('central'), region: regionIdSchema }),
    ]),
    epoch: z.int().min(1),
    reason: z.string().max(500),
  }),
  hash: hashSchema,
  signatures: z.array(officerSignatureSchema).max(32),
  approved: z.boolean(),
});

/** Ranges of serials of one view: as many as there are changes between what may and may not be known, one after the other. */
const rangesSchema = z.array(z.tuple([countSchema, countSchema]));

/** What of a home region's entries the receiver may know. */
const catalogueViewSchema = z.strictObject({
  datesPassed: countSchema,
  through: countSchema,
  policyEpoch: countSchema,
  full: rangesSchema,
  opaque: rangesSchema,
});

/** What one region tells another about one thing, as it travels on CTL and the internal API. */
export const catalogueEntrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('region'), ...common, region: regionInfoSchema }),
  z.strictObject({ kind: z.literal('entity'), ...ruled, entity: catalogueEntitySchema }),
  z.strictObject({ kind: z.literal('group'), ...ruled, group: catalogueGroupSchema }),
  z.strictObject({ kind: z.literal('opaque-group'), ...common, group: opaqueGroupSchema }),
  z.strictObject({ kind: z.literal('service'), ...ruled, service: catalogueServiceSchema }),
  z.strictObject({ kind: z.literal('policy'), ...common, policy: policyRecordSchema }),
  z.strictObject({ kind: z.literal('registry-mode'), ...common, record: registryModeRecordSchema }),
  z.strictObject({ kind: z.literal('take-over'), ...common, decision: hashSchema }),
  z.strictObject({ kind: z.literal('view'), ...common, view: catalogueViewSchema }),
]);

assertSameShape<z.infer<typeof catalogueEntrySchema>, CatalogueEntry>(true);
