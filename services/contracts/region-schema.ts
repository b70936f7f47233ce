/** SDL of the `region` contract that every region serves at `POST /graphql`: it fills references and adds no root field (A7). */
export const REGION_SDL = `extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible"])

scalar JSON
scalar ReadTicket @inaccessible

"The rows of one feature group in one region, live."
type FeatureSlice @key(fields: "region group") {
  region: String!
  group: ID!
  "Age of the newest event, null where the region cannot say."
  freshness: Freshness
  "Rows held, an estimate."
  rows: Float
  "Milliseconds that this copy is behind its origins."
  lagMs: Float
}

type Freshness {
  "Newest event time held, RFC 3339."
  newestEventTime: String
  "Now minus the newest event time."
  ageMs: Float
}

"The values of one group in one role from one region, as columns."
type FeatureMatrix @key(fields: "region read") {
  region: String!
  read: ReadTicket! @inaccessible
  "One list per name, one entry per distinct row."
  columns: JSON
  "One status per name, or one list where the entries differ."
  statuses: JSON
  "One RFC 3339 time per distinct row."
  eventTimes: JSON
  "Region, replica, lagMs, policyEpoch."
  source: JSON
  "Why there are no values."
  problem: JSON
}
`;

/** The one operation by which gateways have matrices filled; constant, so that a region knows it by its text. */
export const FILL_MATRICES =
  'query FillMatrices($representations:[_Any!]!){_entities(representations:$representations){...on FeatureMatrix{columns statuses eventTimes source problem}}}';
