/** SDL of the `discovery` subgraph that the gateway executes itself from its replica of the catalogue (A7). */
export const DISCOVERY_SDL = `extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible"])

scalar JSON
scalar ReadTicket @inaccessible

type Query {
  "All regions of the mesh, as this gateway knows them."
  regions: [Region!]!
  featureGroups(filter: FeatureGroupFilter, first: Int = 50, after: String): FeatureGroupConnection!
  "By reference \`[home/]group[@vN]\`; null where there is none."
  featureGroup(ref: String!): FeatureGroup
  featureServices(filter: FeatureServiceFilter, first: Int = 50, after: String): FeatureServiceConnection!
  featureService(ref: String!): FeatureService
  "Newest values by key: \`service\` or \`features\`, never both."
  online(
    service: String
    features: [String!]
    keys: JSON!
    context: JSON
    maxAgeMs: Int
    maxLagMs: Int
    consistency: JSON
    purpose: String
    includeStale: Boolean
    vectorsAs: String
  ): OnlineAnswer!
}

type Region {
  id: String!
  jurisdiction: String!
  cloud: String!
  "up, down or unknown, as this gateway sees it."
  health: String!
  "Milliseconds since this region last heard of that one."
  knowledgeAgeMs: Float
  publicGatewayUrl: String!
}

input FeatureGroupFilter {
  homeRegion: String
  name: String
  nameContains: String
  owner: String
  team: String
  tag: String
  entity: String
  "A region that holds rows of the group."
  region: String
  text: String
}

input FeatureServiceFilter {
  homeRegion: String
  name: String
  nameContains: String
  owner: String
  team: String
  tag: String
  text: String
}

type Deprecation {
  "Day from which it counts, YYYY-MM-DD."
  since: String!
  "Reference of what to use instead."
  successor: String
  reason: String
}

type PageInfo {
  hasNextPage: Boolean!
  endCursor: String
}

type FeatureGroupConnection {
  nodes: [FeatureGroup!]!
  totalCount: Int!
  pageInfo: PageInfo!
}

type FeatureServiceConnection {
  nodes: [FeatureService!]!
  totalCount: Int!
  pageInfo: PageInfo!
}

type FeatureGroup {
  id: ID!
  homeRegion: String!
  name: String!
  version: Int!
  revision: Int!
  owner: String
  team: String
  tags: [String!]!
  deprecated: Deprecation
  description: String
  entities: [Entity!]!
  features: [Feature!]!
  maxAgeMs: Float
  syncMode: String!
  state: String!
  placement: Placement!
  inputs: [FeatureGroup!]!
  services: [FeatureService!]!
  "One per region that holds rows."
  slices: [FeatureSlice!]!
}

type Entity {
  name: String!
  subject: Boolean!
  description: String
  joinKeys: [JoinKey!]!
}

type JoinKey {
  name: String!
  type: String!
  role: String
}

type Feature {
  name: String!
  type: String!
  nullable: Boolean!
  description: String
}

type Placement {
  allowed: [String!]!
  regions: [String!]!
  rows: String!
  replicated: Boolean!
  egress: String!
  readerJurisdictions: [String!]
  readerPurposes: [String!]
  maxPolicyAgeMs: Float
  policyEpoch: String!
}

type FeatureService {
  id: ID!
  homeRegion: String!
  name: String!
  version: Int!
  owner: String
  team: String
  tags: [String!]!
  deprecated: Deprecation
  description: String
  selections: [ServiceSelection!]!
}

type ServiceSelection {
  group: FeatureGroup
  as: String
  features: [String!]!
  "Join key to request key."
  keys: JSON!
}

type FeatureSlice @key(fields: "region group") {
  region: String!
  group: ID!
  "True where other regions' rows are held as well."
  replica: Boolean!
}

type OnlineAnswer {
  rows: Int!
  results: [FeatureMatrix!]!
}

type FeatureMatrix @key(fields: "region read") {
  region: String!
  read: ReadTicket! @inaccessible
  group: ID!
  as: String
  version: Int!
  "Column position per request row, -1 where this result does not answer it; null where it is the identity."
  rowIndex: [Int!]
  names: [String!]
}
`;
