import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { z } from 'zod';
import {
  catalogueEntitySchema,
  catalogueGroupSchema,
  catalogueServiceSchema,
  policyRecordSchema,
  regionInfoSchema,
} from './mesh-state.ts';
import { assertSameShape } from './shapes.ts';
import { countSchema } from './wire-primitives.ts';

const common = { home: z.string(), sequence: countSchema };

/** What one region tells all others about one thing, as it travels on CTL and the internal API. */
export const catalogueEntrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('region'), ...common, region: regionInfoSchema }),
  z.strictObject({ kind: z.literal('entity'), ...common, entity: catalogueEntitySchema }),
  z.strictObject({ kind: z.literal('group'), ...common, group: catalogueGroupSchema }),
  z.strictObject({ kind: z.literal('service'), ...common, service: catalogueServiceSchema }),
  z.strictObject({ kind: z.literal('policy'), ...common, policy: policyRecordSchema }),
]);

assertSameShape<z.infer<typeof catalogueEntrySchema>, CatalogueEntry>(true);
