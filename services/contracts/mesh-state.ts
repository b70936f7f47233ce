import type {
  CatalogueGroup,
  CatalogueService,
  EntityDefinition,
  FeatureDefinition,
  FeatureGroupDefinition,
  FeatureServiceDefinition,
  JoinKey,
} from '@featuremesh/domain/feature-group';
import { SYNC_MODES } from '@featuremesh/domain/feature-group';
import { JOIN_KEY_TYPES, SCALAR_TYPES } from '@featuremesh/domain/feature-type';
import type { CatalogueEntity, MeshState, OpaqueGroup, RegionInfo } from '@featuremesh/domain/mesh-state';
import {
  EGRESS_CLASSES,
  type PolicyDocument,
  type PolicyRecord,
  VISIBILITIES,
} from '@featuremesh/domain/policy';
import { z } from 'zod';
import { assertSameShape, instantSchema } from './shapes.ts';
import { countSchema, groupIdSchema, regionIdSchema } from './wire-primitives.ts';

/** One region as every region knows it. */
export const regionInfoSchema = z.strictObject({
  id: regionIdSchema,
  jurisdiction: z.string(),
  cloud: z.string(),
  publicUrl: z.string(),
  publicGatewayUrl: z.string(),
  publicKey: z.string(),
});

const featureTypeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('scalar'), scalar: z.enum(SCALAR_TYPES) }),
  z.strictObject({ kind: z.literal('list'), element: z.enum(SCALAR_TYPES) }),
  z.strictObject({ kind: z.literal('vector'), dimensions: z.int().min(1) }),
]);

/** A feature with its type taken apart. */
const featureSchema = z.strictObject({
  name: z.string(),
  type: featureTypeSchema,
  nullable: z.boolean(),
  description: z.string().exactOptional(),
  from: z.array(z.string()).exactOptional(),
});

/** What groups and services share: who answers for them. */
const governance = {
  description: z.string().exactOptional(),
  owner: z.string().exactOptional(),
  team: z.string().exactOptional(),
  tags: z.array(z.string()),
  deprecated: z
    .strictObject({
      since: z.string(),
      successor: z.string().exactOptional(),
      reason: z.string().exactOptional(),
    })
    .exactOptional(),
};

/** A join key. */
const joinKeySchema = z.strictObject({
  name: z.string(),
  type: z.enum(JOIN_KEY_TYPES),
  role: z.literal('region').exactOptional(),
});

/** An entity definition, parsed. */
export const entitySchema = z.strictObject({
  name: z.string(),
  joinKeys: z.array(joinKeySchema),
  subject: z.boolean(),
  description: z.string().exactOptional(),
});

/** A group definition, parsed. */
export const groupDefinitionSchema = z.strictObject({
  name: z.string(),
  homeRegion: regionIdSchema,
  entities: z.array(z.string()),
  ...governance,
  sources: z
    .array(z.strictObject({ name: z.string(), description: z.string().exactOptional() }))
    .exactOptional(),
  inputs: z.union([z.literal('external'), z.array(z.string())]),
  maxAgeMs: countSchema.exactOptional(),
  retentionMs: countSchema.exactOptional(),
  sync: z.strictObject({ mode: z.enum(SYNC_MODES), regions: z.array(regionIdSchema) }),
  features: z.array(featureSchema),
  state: z.enum(['active', 'retired']),
});

/** A service definition, parsed. */
export const serviceDefinitionSchema = z.strictObject({
  name: z.string(),
  homeRegion: regionIdSchema,
  ...governance,
  features: z.array(
    z.strictObject({
      group: z.string(),
      as: z.string().exactOptional(),
      features: z.array(z.string()),
      keys: z.record(z.string(), z.string()).exactOptional(),
    }),
  ),
});

/** A group version in the catalogue. */
export const catalogueGroupSchema = z.strictObject({
  id: groupIdSchema,
  version: z.int().min(1),
  revision: z.int().min(1),
  schemaHash: z.string(),
  definition: groupDefinitionSchema,
  joinKeys: z.array(joinKeySchema),
  subject: z.boolean(),
  revisions: z.array(z.array(featureSchema)),
  retentionFloorMs: z.int().exactOptional(),
  purged: z.literal(true).exactOptional(),
  aliases: z.array(z.string()),
});

/** A group version of which nothing but its id may be known. */
export const opaqueGroupSchema = z.strictObject({
  id: groupIdSchema,
  version: z.int().min(1),
  homeRegion: regionIdSchema,
});

/** A service version in the catalogue. */
export const catalogueServiceSchema = z.strictObject({
  id: z.string(),
  version: z.int().min(1),
  definition: serviceDefinitionSchema,
  resolved: z.array(
    z.strictObject({
      groupId: groupIdSchema,
      groupVersion: z.int().min(1),
      as: z.string().exactOptional(),
      features: z.array(z.string()),
      keys: z.record(z.string(), z.string()),
    }),
  ),
});

/** An entity in the catalogue. */
export const catalogueEntitySchema = z.strictObject({ homeRegion: regionIdSchema, definition: entitySchema });

/** A policy document with defaults written out. */
export const policyDocumentSchema = z.strictObject({
  name: z.string(),
  home: regionIdSchema,
  version: z.int().min(1),
  select: z.strictObject({
    groups: z.array(z.string()),
    tags: z.array(z.string()),
    entities: z.array(z.string()),
  }),
  allowed: z.strictObject({ regions: z.array(regionIdSchema), jurisdictions: z.array(z.string()) }),
  rows: z.enum(['shared', 'origin']),
  egress: z.enum(EGRESS_CLASSES),
  readers: z.strictObject({
    jurisdictions: z.array(z.string()).nullable(),
    purposes: z.array(z.string()).nullable(),
  }),
  visibility: z.enum(VISIBILITIES),
  maxPolicyAgeMs: z.int().positive().nullable(),
  basis: z.strictObject({ kind: z.string(), ref: z.string(), expires: z.string().nullable() }),
  effective: z.strictObject({ from: instantSchema, until: instantSchema.nullable() }),
});

/** An officer's detached signature. */
export const officerSignatureSchema = z.strictObject({
  officer: z.string(),
  act: z.enum(['propose', 'approve']),
  at: instantSchema,
  signature: z.string(),
});

/** A policy with its signatures. */
export const policyRecordSchema = z.strictObject({
  document: policyDocumentSchema,
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  signatures: z.array(officerSignatureSchema),
  epoch: countSchema,
});

/** The mesh as one region knows it: the body of the internal `mesh-state` answer. */
export const meshStateSchema = z.strictObject({
  revision: countSchema,
  region: regionIdSchema,
  regions: z.array(regionInfoSchema),
  groups: z.array(catalogueGroupSchema),
  opaqueGroups: z.array(opaqueGroupSchema),
  services: z.array(catalogueServiceSchema),
  entities: z.array(catalogueEntitySchema),
  policies: z.array(policyRecordSchema),
  policyEpochs: z.record(z.string(), z.number()),
  policyConfirmedAtMs: z.record(z.string(), z.number()),
});

assertSameShape<z.infer<typeof regionInfoSchema>, RegionInfo>(true);
assertSameShape<z.infer<typeof featureSchema>, FeatureDefinition>(true);
assertSameShape<z.infer<typeof joinKeySchema>, JoinKey>(true);
assertSameShape<z.infer<typeof entitySchema>, EntityDefinition>(true);
assertSameShape<z.infer<typeof groupDefinitionSchema>, FeatureGroupDefinition>(true);
assertSameShape<z.infer<typeof serviceDefinitionSchema>, FeatureServiceDefinition>(true);
assertSameShape<z.infer<typeof catalogueGroupSchema>, CatalogueGroup>(true);
assertSameShape<z.infer<typeof opaqueGroupSchema>, OpaqueGroup>(true);
assertSameShape<z.infer<typeof catalogueServiceSchema>, CatalogueService>(true);
assertSameShape<z.infer<typeof catalogueEntitySchema>, CatalogueEntity>(true);
assertSameShape<z.infer<typeof policyDocumentSchema>, PolicyDocument>(true);
assertSameShape<z.infer<typeof policyRecordSchema>, PolicyRecord>(true);
assertSameShape<z.infer<typeof meshStateSchema>, MeshState>(true);
