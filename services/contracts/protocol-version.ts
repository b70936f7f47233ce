/**
 * Version of everything that crosses a process border; a region tells it in `hello`. It rises with every released change of a wire
 * schema; a region reads messages of its own version and of the one before.
 */
export const CONTRACT_VERSION = 1;

/** A version of the contract: what changed for those who talk to it, and whether a release has shipped it. */
export interface ContractVersion {
  readonly version: number;
  readonly changes: string;
  /** A released version's file of schema hashes is never edited again. */
  readonly released: boolean;
}

/** All versions, oldest first; the hashes of version n stand in `wire-schemas.v<n>.json`. */
export const CONTRACT_VERSIONS: readonly ContractVersion[] = [
  { version: 1, changes: 'The first contract.', released: false },
];
