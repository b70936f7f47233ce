import { type QueryOptions, types } from 'cassandra-driver';
import { APPLY_DEADLINE_MS, type CassandraStoreOptions, REQUEST_DEADLINE_MS } from './cassandra-options.ts';
import type { Passage } from './in-flight-gate.ts';

const LEVELS = types.consistencies;

/** Profile of statements that must be answered by the local data centre, even where others may stand in. */
export const LOCAL_ONLY = 'local-only';

/** How one statement is sent. */
export type CallClass =
  | 'read'
  | 'settled-read'
  | 'write'
  | 'write-everywhere'
  | 'record-read'
  | 'claim'
  | 'claim-read'
  | 'conditional'
  | 'serial-read';

/**
 * How each class passes the gate. What says how far rows are applied does not wait behind rows: where a store is slow and a long log is
 * applied, no step would be written down before its deadline, and all would begin again for ever.
 */
export const PASSAGES: Readonly<Record<CallClass, Passage>> = {
  read: 'read',
  'settled-read': 'read',
  write: 'write',
  'write-everywhere': 'write',
  'record-read': 'write',
  claim: 'control',
  'claim-read': 'control',
  conditional: 'control',
  'serial-read': 'control',
};

/**
 * Consistency, deadline and place of every class. What agrees within one data centre (`LOCAL_SERIAL`) never leaves the local one: two
 * that agree each by itself would both give out a lease. What agrees over all of them may be asked of any.
 */
export function classesOf(
  consistency: CassandraStoreOptions['consistency'],
): Readonly<Record<CallClass, QueryOptions>> {
  const level = {
    LOCAL_ONE: LEVELS.localOne,
    LOCAL_QUORUM: LEVELS.localQuorum,
    QUORUM: LEVELS.quorum,
    EACH_QUORUM: LEVELS.eachQuorum,
  } as const;
  const settled = consistency.write === 'QUORUM' ? LEVELS.quorum : LEVELS.localQuorum;
  const everywhere = consistency.serial === 'SERIAL';
  const serial = everywhere ? LEVELS.serial : LEVELS.localSerial;
  const common = { prepare: true, readTimeout: APPLY_DEADLINE_MS } as const;
  const quick = { prepare: true, readTimeout: REQUEST_DEADLINE_MS } as const;
  const write = { ...common, consistency: level[consistency.write], isIdempotent: true };
  const recordRead = { ...common, consistency: settled, isIdempotent: true };
  const agreed = { ...common, ...(everywhere ? {} : { executionProfile: LOCAL_ONLY }) };
  return {
    read: { ...quick, consistency: level[consistency.read], isIdempotent: true },
    'settled-read': { ...quick, consistency: settled, isIdempotent: true, executionProfile: LOCAL_ONLY },
    write,
    'write-everywhere': { ...common, consistency: LEVELS.all, isIdempotent: true },
    'record-read': recordRead,
    claim: write,
    'claim-read': recordRead,
    conditional: {
      ...agreed,
      consistency: LEVELS.localQuorum,
      serialConsistency: serial,
      isIdempotent: false,
    },
    // The driver sends a serial read as it sends others; the server takes the level from its place.
    'serial-read': { ...agreed, consistency: serial, isIdempotent: true },
  };
}
