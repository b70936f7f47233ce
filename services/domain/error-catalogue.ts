/** What the catalogue says of one error. */
export interface ErrorEntry {
  /** Title of the RFC 9457 answer. */
  readonly title: string;
  readonly http: number;
  /** True where the same request may succeed later without a change. */
  readonly retryable: boolean;
}

const entry = (http: number, retryable: boolean, title: string): ErrorEntry => ({ title, http, retryable });

/** Every operating error, once: the only source of codes, titles, HTTP statuses and retryability. */
export const ERRORS = {
  // input
  MALFORMED_JSON: entry(400, false, 'The body is not valid JSON'),
  INVALID_REQUEST: entry(400, false, 'The request does not have the documented shape'),
  BODY_TOO_LARGE: entry(413, false, 'The body is larger than the stated limit'),
  TOO_MANY_ROWS: entry(400, false, 'More rows than the stated limit'),
  TOO_MANY_FEATURES: entry(400, false, 'More features than the stated limit'),
  UNSUPPORTED_MEDIA_TYPE: entry(415, false, 'The content type is not supported'),
  NOT_FOUND: entry(404, false, 'There is nothing at this address'),
  NOT_YET_SUPPORTED: entry(501, false, 'This part of the contract is not supported yet'),
  SERVICE_AND_FEATURES: entry(400, false, '`service` and `features` exclude each other'),
  UNEQUAL_LENGTHS: entry(400, false, 'The key arrays have different lengths'),
  UNKNOWN_GROUP: entry(404, false, 'Unknown feature group'),
  UNKNOWN_FEATURE: entry(400, false, 'Unknown feature'),
  UNKNOWN_SERVICE: entry(404, false, 'Unknown feature service'),
  UNKNOWN_VERSION: entry(404, false, 'Unknown version of a feature group'),
  AMBIGUOUS_NAME: entry(409, false, 'The name fits feature groups of several home regions'),
  // rows
  MISSING_KEY: entry(422, false, 'A join key is missing'),
  UNKNOWN_KEY: entry(422, false, 'Unknown join key'),
  INVALID_KEY: entry(422, false, 'A join key has the wrong type'),
  KEY_TOO_LONG: entry(422, false, 'The encoded entity key is longer than 1,024 bytes'),
  INVALID_EVENT_TIME: entry(422, false, 'The event time is missing or malformed'),
  INVALID_CREATED_TIME: entry(422, false, 'The created time is malformed'),
  EVENT_TIME_IN_FUTURE: entry(422, false, 'The event time lies beyond now plus the permitted skew'),
  CREATED_TIME_IN_FUTURE: entry(422, false, 'The created time lies beyond now plus the permitted skew'),
  INVALID_VALUE: entry(422, false, 'A feature value does not fit its type'),
  INT64_PRECISION: entry(422, false, 'An int64 beyond 2^53 must be sent as a string'),
  NON_FINITE: entry(422, false, 'NaN and infinities are refused; `?nonFinite=null` stores null'),
  REQUIRED_FEATURE: entry(422, false, 'A feature that is not nullable is missing'),
  ROW_TOO_LARGE: entry(422, false, 'The packed row is larger than 12 KiB'),
  DUPLICATE_ROW: entry(422, false, 'The same key, event time and created time appear twice in one request'),
  MALFORMED_ROW: entry(422, false, 'The row is not valid JSON or lacks a documented member'),
  WRONG_REGION: entry(421, false, 'The row resides in another region'),
  REJECTED: entry(422, false, 'Nothing was accepted'),
  // writes
  IDEMPOTENCY_KEY_REUSED: entry(422, false, 'The idempotency key was used for another body'),
  IDEMPOTENCY_INDEX_FULL: entry(429, true, 'The idempotency index is full'),
  OVERLOADED: entry(429, true, 'The region is at its limit; retry later'),
  LOG_UNAVAILABLE: entry(503, true, 'The change log does not answer'),
  LOG_FULL: entry(507, true, 'The change log is full'),
  WRITE_REFUSED_BY_POLICY: entry(403, false, 'Policy does not let this region hold rows of the group'),
  NOT_ENFORCED_YET: entry(503, true, 'The broker does not accept the group yet'),
  GROUP_RETIRED: entry(410, false, 'The feature group is retired'),
  // reads
  RESIDENCY_REDIRECT: entry(421, false, 'Another gateway must answer this read'),
  RESIDENCY_DENIED: entry(403, false, 'The caller is outside the readers of the group'),
  MISROUTED: entry(421, false, 'This region may not answer for the group'),
  UNKNOWN_REGION: entry(422, false, 'The region-valued key names no region that may hold the row'),
  REGION_UNAVAILABLE: entry(503, true, 'The region does not answer'),
  STORE_UNAVAILABLE: entry(503, true, 'The online store does not answer'),
  POSITION_NOT_REACHED: entry(503, true, 'The region has not applied the position yet'),
  INVALID_POSITION: entry(400, false, 'The position token is malformed or of another log'),
  LAG_TOO_HIGH: entry(503, true, 'No permitted copy is within maxLagMs'),
  DEADLINE_EXCEEDED: entry(504, true, 'The deadline passed'),
  UNKNOWN_REVISION: entry(503, true, 'A row was written by a revision that is not known here yet'),
  POLICY_STALE: entry(503, true, 'The policy has not been confirmed within maxPolicyAge'),
  // definitions and policy
  INVALID_DEFINITION: entry(422, false, 'A definition is not valid'),
  DEFINITION_CYCLE: entry(422, false, 'The inputs of feature groups form a cycle'),
  NOT_HOME: entry(421, false, 'The home region of the definition must accept it'),
  INCOMPATIBLE_CHANGE: entry(409, false, 'The change needs a new version'),
  CONCURRENT_CHANGE: entry(409, true, 'The registry changed since the plan was made'),
  EMPTY_PLACEMENT: entry(422, false, 'The change would leave no region that may hold the rows'),
  INVALID_POLICY: entry(422, false, 'A policy is not valid'),
  POLICY_SUPERSEDED: entry(409, false, 'A newer version of the policy exists'),
  POLICY_NOT_APPROVED: entry(409, false, 'The policy lacks approvals'),
  INVALID_SIGNATURE: entry(403, false, 'The signature does not verify against the officers of this region'),
  NOT_AN_OFFICER: entry(403, false, 'The signer is not an officer of this region with the needed role'),
  STILL_USED: entry(409, false, 'Definitions or an alias still depend on it'),
  TABLE_LIMIT: entry(507, false, 'The store holds as many tables as it may'),
  // regions
  INVALID_INVITATION: entry(422, false, 'The invitation is malformed, expired, or for another region'),
  INVALID_CONFIG: entry(422, false, 'The region configuration is not valid'),
  PORT_IN_USE: entry(409, false, 'A port of the region is in use'),
  ALREADY_RUNNING: entry(409, false, 'The region or the mesh runs already from this folder'),
  START_FAILED: entry(503, true, 'A part of the region did not become ready'),
  UNAUTHENTICATED: entry(401, false, 'The caller is not authenticated'),
  FORBIDDEN: entry(403, false, 'The caller may not do this'),
  SHUTTING_DOWN: entry(503, true, 'The process is draining'),
  STALE_LEASE: entry(503, true, 'Another process has taken this work over'),
  INTERNAL: entry(500, true, 'An unexpected error; its reference is in the log'),
  CORRUPT_DATA: entry(500, false, 'Stored or received bytes do not decode'),
  REGISTRY_UNAVAILABLE: entry(
    503,
    true,
    'The registry does not answer; what it held is served and written on',
  ),
} as const satisfies Record<string, ErrorEntry>;

/** A code of the catalogue. */
export type ErrorCode = keyof typeof ERRORS;
