import { ProblemError } from '@featuremesh/domain/problem';
import type { OnlineStore, StoredRow, TableRef } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { testKey } from '../generators/packed-rows.ts';

/** One store under test, empty; `reopen` opens the same data anew, also while it is open. */
export interface OnlineStoreSubject {
  readonly store: OnlineStore & StampBounds;
  readonly reopen: () => Promise<OnlineStore & StampBounds>;
  /** The table limit it was opened with; at least 3. */
  readonly maxTables: number;
  readonly remove: () => Promise<void>;
}

/** The group that the suites write. */
export const GROUP = 'aaaaaaaaaaaaaaaa';

/** Its table, which every test finds empty. */
export const TABLE: TableRef = { groupId: GROUP, version: 1, generation: 1 };

/** The store of the test that runs. */
export type Store = () => OnlineStore & StampBounds;

const code = (error: unknown): string => (error instanceof ProblemError ? error.problem.code : String(error));

/** Code of the problem that work rejects with; `fulfilled` where it does not. */
export const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'fulfilled', code);

/** A row under a key of one text. */
export const stored = (id: string, row: Uint8Array): StoredRow => ({ key: testKey(id), row });
