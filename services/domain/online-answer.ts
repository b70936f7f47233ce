import type { ValueStatus } from './value-status.ts';

/** Which copy may answer: the nearest permitted, the home region's, or one that has applied a position. */
export type ReadConsistency = 'nearest' | 'home' | { readonly after: string };

/** How vectors are answered: JSON arrays, or base64 of little-endian float32. */
export type VectorsAs = 'array' | 'base64f32';

/** An online read as asked, parsed: `service` or `features`, and scalar or array keys. */
export interface OnlineReadRequest {
  readonly service?: string;
  readonly features?: readonly string[];
  /** Request key → one value for all rows, or one value per row. */
  readonly keys: Readonly<Record<string, unknown>>;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly maxAgeMs?: number;
  readonly maxLagMs?: number;
  readonly consistency?: ReadConsistency;
  readonly purpose?: string;
  readonly includeStale?: boolean;
  readonly vectorsAs?: VectorsAs;
}

/** Where the values of one result come from. */
export interface AnswerSource {
  readonly region: string;
  /** True where another region accepted rows of this copy. */
  readonly replica: boolean;
  readonly lagMs: number | null;
  readonly policyEpoch: string;
}

/** A region or gateway that may answer in this one's place. */
export interface RedirectCandidate {
  readonly region: string;
  readonly publicGatewayUrl: string;
}

/** Why a part of an answer holds no values. */
export interface AnswerProblem {
  readonly code: string;
  readonly region: string | null;
  readonly retryable: boolean;
  readonly detail?: string;
  readonly candidates?: readonly RedirectCandidate[];
}

/** The values of one group in one role from one region, as columns (A8). */
export interface FeatureMatrix {
  readonly group: string;
  readonly as?: string;
  readonly version: number;
  /** Null where no region could be named. */
  readonly region: string | null;
  /** Column position per request row, −1 where this result does not answer that row; left out where it is the identity. */
  readonly rowIndex?: readonly number[];
  readonly names: readonly string[];
  /** One column per name, one entry per distinct row; null where the part was not read. */
  readonly columns: readonly (readonly unknown[])[] | null;
  /** One word where the whole column has it, else one per entry. */
  readonly statuses: readonly (ValueStatus | readonly ValueStatus[])[];
  /** RFC 3339 in UTC per distinct row, null where there is no row. */
  readonly eventTimes: readonly (string | null)[] | null;
  readonly source?: AnswerSource;
  readonly problem?: AnswerProblem;
}

/** The answer to an online read: one result per (group, role, region). */
export interface OnlineAnswer {
  /** Rows asked for. */
  readonly rows: number;
  readonly results: readonly FeatureMatrix[];
}
