// Every bound of the gateway, once, with its reason.
import { REGION_DEADLINE_MS } from '@featuremesh/domain/limits';

/** Region calls under way at once, per region: beyond it a slow region would only collect requests that time out. */
export const MAX_CALLS_PER_REGION = 256;

/** Sockets per service process of a region; pipelining is off, so this many calls really run in parallel. */
export const MAX_SOCKETS_PER_SERVICE = 32;

/** Bytes of one region answer: 1,000 rows × 12 KiB packed, as JSON, with room. */
export const MAX_REGION_ANSWER_BYTES = 32 * 1024 * 1024;

/** Consecutive failed calls after which a region counts as down. */
export const BREAKER_FAILURES = 3;

/** First pause of an open breaker; it doubles with every failed probe. */
export const BREAKER_FIRST_PAUSE_MS = 500;

/** Longest pause of an open breaker: a region that came back is used again within this time. */
export const BREAKER_LONGEST_PAUSE_MS = 5_000;

/** Pause between health probes of a region; also how old a latency figure may get. */
export const PROBE_INTERVAL_MS = 2_000;

/** Longest health probe. */
export const PROBE_DEADLINE_MS = 1_000;

/** Longest read from a caller's arrival to its answer, all attempts included: a region's deadline. */
export const READ_DEADLINE_MS = REGION_DEADLINE_MS;

/** Copies tried for one part of a read: the planned one and two alternatives fit into the deadline. */
export const MAX_ATTEMPTS_PER_ENTITY = 3;

/** Planned operations whose parsed form is kept; beyond it the oldest goes. */
export const MAX_CACHED_OPERATIONS = 1_000;

/** Query plans kept by the gateway, in MiB. */
export const QUERY_PLAN_STORE_MIB = 30;

/** Plans that the planner compares for one operation: with two subgraphs there are a handful; the default is 10,000. */
export const MAX_EVALUATED_PLANS = 200;

/** Paths that the planner follows for one field; the default has no bound. */
export const MAX_PLANNER_PATHS = 200;

/** Body of a GraphQL request or an online read: 1,000 rows of a 1 KiB key, with room. */
export const MAX_REQUEST_BODY_BYTES = 4 * 1024 * 1024;

/** Lexical tokens of one operation, so that parsing stays cheap. */
export const MAX_OPERATION_TOKENS = 5_000;

/** Nesting of one operation: the deepest useful one (group → inputs → services → group → entities → joinKeys) has ten levels. */
export const MAX_OPERATION_DEPTH = 15;

/** Aliases of one operation. */
export const MAX_OPERATION_ALIASES = 50;

/** Root fields of one operation; each `online` is a read of its own. */
export const MAX_ROOT_FIELDS = 10;

/** Groups or services of one page. */
export const MAX_PAGE_SIZE = 200;

/** Long poll of the own region's mesh state. */
export const MESH_STATE_WAIT_MS = 20_000;

/** Pause after a failed poll of the mesh state. */
export const MESH_STATE_RETRY_MS = 500;

/** Bytes of the mesh state: some 10,000 groups. */
export const MAX_MESH_STATE_BYTES = 64 * 1024 * 1024;
