import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { z } from 'zod';
import {
  catalogueEntitySchema,
  catalogueGroupSchema,
  catalogueServiceSchema,
  opaqueGroupSchema,
  policyRecordSchema,
  regionInfoSchema,
} from './mesh-state.ts';
import { assertSameShape } from './shapes.ts';
import { countSchema } from './wire-primitives.ts';

const common = { home: z.string(), sequence: countSchema, serial: countSchema.exactOptional() };

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
  z.strictObject({ kind: z.literal('entity'), ...common, entity: catalogueEntitySchema }),
  z.strictObject({ kind: z.literal('group'), ...common, group: catalogueGroupSchema }),
  z.strictObject({ kind: z.literal('opaque-group'), ...common, group: opaqueGroupSchema }),
  z.strictObject({ kind: z.literal('service'), ...common, service: catalogueServiceSchema }),
  z.strictObject({ kind: z.literal('policy'), ...common, policy: policyRecordSchema }),
  z.strictObject({ kind: z.literal('view'), ...common, view: catalogueViewSchema }),
]);

assertSameShape<z.infer<typeof catalogueEntrySchema>, CatalogueEntry>(true);
