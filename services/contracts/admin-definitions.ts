import type { DefinitionSet } from '@featuremesh/domain/definition-rules';
import { CHANGE_EFFECTS } from '@featuremesh/domain/group-changes';
import { z } from 'zod';
import { entitySchema, groupDefinitionSchema, serviceDefinitionSchema } from './mesh-state.ts';
import { assertSameShape } from './shapes.ts';
import { countSchema } from './wire-primitives.ts';

/** A parsed definition set as the CLI sends it. */
const definitionSetSchema = z.strictObject({
  entities: z.array(entitySchema).max(1_000),
  groups: z.array(groupDefinitionSchema).max(1_000),
  services: z.array(serviceDefinitionSchema).max(1_000),
});

assertSameShape<z.infer<typeof definitionSetSchema>, DefinitionSet>(true);

/** Who changes something, as the caller says: kept in the record of changes as said, not verified (there is no authentication yet). */
export const actorSchema = z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@+-]{0,99}$/u);

/** Body of `POST /v1/admin/definitions`: `dryRun` plans; `expectedRevision` (from a plan) refuses with CONCURRENT_CHANGE. */
export const definitionsRequestSchema = z.strictObject({
  definitions: definitionSetSchema,
  dryRun: z.boolean().default(false),
  expectedRevision: countSchema.exactOptional(),
  by: actorSchema.exactOptional(),
});

/** What happens to one object. `unchanged`: as it is; `revision`: compatible; `version`: starts empty; `refused`: nothing is applied. */
const CHANGE_KINDS = ['create', 'revision', 'version', 'unchanged', 'refused'] as const;

/** One line of a plan. */
const definitionChangeSchema = z.strictObject({
  kind: z.enum(CHANGE_KINDS),
  object: z.strictObject({
    type: z.enum(['entity', 'group', 'service']),
    home: z.string(),
    name: z.string(),
    id: z.string().nullable(),
    version: countSchema.nullable(),
    revision: countSchema.nullable(),
  }),
  /** The difference, what needs a new version first, each line with what it means for rows (`domain/group-changes`). */
  changes: z.array(z.strictObject({ effect: z.enum(CHANGE_EFFECTS), what: z.string(), follows: z.string() })),
  /** What follows of all that: placement, wishes that policy refuses, an empty new version. */
  consequences: z.array(z.string()),
  /** Set where refused. */
  code: z.string().exactOptional(),
});

/** Answer of `POST /v1/admin/definitions`: revision to be given as `expectedRevision`, and the result per home region. */
export const definitionsAnswerSchema = z.strictObject({
  changes: z.array(definitionChangeSchema),
  revision: countSchema,
  perRegion: z.array(
    z.strictObject({
      region: z.string(),
      outcome: z.enum(['planned', 'applied', 'forwarded', 'refused', 'unreachable']),
      detail: z.string().exactOptional(),
    }),
  ),
});

/** A request to plan or apply. */
export type DefinitionsRequest = z.infer<typeof definitionsRequestSchema>;
/** One line of a plan. */
export type DefinitionChange = z.infer<typeof definitionChangeSchema>;
/** The answer to plan or apply. */
export type DefinitionsAnswer = z.infer<typeof definitionsAnswerSchema>;
