import type { ErrorCode } from '@featuremesh/domain/error-catalogue';
import type { Problem } from '@featuremesh/domain/problem';

/** One line of a streamed write: its text, or why it cannot be read. An empty text is no row. */
export type StreamLine = string | Problem;

/** The rows of a write as they came in: one JSON document, or lines in portions as the network delivered them. */
export type WriteBody =
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'ndjson'; readonly lines: AsyncIterable<readonly StreamLine[]> };

/** A write request, parsed but for its rows. */
export interface WriteCommand {
  /** `[home/]group[@vN]`. */
  readonly group: string;
  /** `anonymous` without authentication; part of the idempotency id. */
  readonly caller: string;
  readonly idempotencyKey?: string;
  /** `fail`: nothing is accepted where anything is rejected; JSON of at most one chunk only. */
  readonly onReject: 'skip' | 'fail';
  readonly nonFinite: 'refuse' | 'null';
  readonly body: WriteBody;
}

/** A row that was not accepted; `index` counts the rows, or the lines, of the request from 0. */
export interface Rejection {
  readonly index: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** For WRONG_REGION: the region that takes the row, and where. */
  readonly region?: string;
  readonly publicUrl?: string;
}

/** What became of a write (interfaces, rows API). `duplicates`: rows that an earlier request with the same idempotency key wrote. */
export interface WriteSummary {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejectedTotal: number;
  /** The first 1,000, by index. */
  readonly rejected: readonly Rejection[];
  /** Position token of the write's last chunk; null where nothing is in the log. */
  readonly position: string | null;
  readonly online: 'APPLIED' | 'PENDING';
}
