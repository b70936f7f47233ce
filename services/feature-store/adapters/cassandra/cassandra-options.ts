import type { ConnectionOptions } from 'node:tls';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { OnCrashPoint } from '../../ports/crash-points.ts';

/** Consistency levels of a write: each is a quorum, so that a settled read sees it. */
export type WriteConsistency = 'LOCAL_QUORUM' | 'QUORUM' | 'EACH_QUORUM';

/** Consistency levels of a read that may be a moment behind. */
export type ReadConsistency = 'LOCAL_ONE' | 'LOCAL_QUORUM' | 'QUORUM';

/**
 * Where leases and stamp bounds agree. `LOCAL_SERIAL` goes on when another data centre is lost, and is right while all service
 * processes of the region name the same local data centre; else `SERIAL`, which needs a majority over all of them.
 */
export type SerialConsistency = 'LOCAL_SERIAL' | 'SERIAL';

/** What the online store on Cassandra works with; secrets are read already. */
export interface CassandraStoreOptions {
  /** `host:port` of some nodes; the others are found. */
  readonly contactPoints: readonly string[];
  readonly localDataCentre: string;
  /** Data centres of the same region that answer while the local one does not, in this order; none by default. */
  readonly fallbackDataCentres: readonly string[];
  readonly keyspace: string;
  /** Replicas per data centre for a keyspace that is made here; by default up to three in each. An existing one is left as it is. */
  readonly replication: Readonly<Record<string, number>> | undefined;
  readonly consistency: {
    readonly write: WriteConsistency;
    readonly read: ReadConsistency;
    readonly serial: SerialConsistency;
  };
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  readonly tls: ConnectionOptions | undefined;
  readonly maxTables: number;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  /** Given by tests only. */
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

/** Longest call of the store; below the gateway's deadline for a region, so that the answer says what failed. */
export const REQUEST_DEADLINE_MS = 1_500;

/** Longest step of applying: the log holds it already, and a retry costs more than patience. */
export const APPLY_DEADLINE_MS = 5_000;

/** Longest change of the schema: tables are made on every node before it is agreed. */
export const SCHEMA_DEADLINE_MS = 60_000;

/** Longest scan page or count, which read many rows. */
export const SCAN_DEADLINE_MS = 30_000;

/**
 * Rows that a process asks for or writes at once: ten slates of 51. More statements would halve the driver's throughput (measured against
 * a mock), and more rows would wait in the nodes, where nothing is refused.
 */
export const MAX_ROWS_IN_FLIGHT = 512;

/**
 * Rows of the steps that are being applied at once: more than are asked for at once, so that there is no pause between steps, and as many as
 * a slow cluster writes within `APPLY_DEADLINE_MS` (measured: 700 rows/s where permissions are looked up for every statement).
 */
export const MAX_ROWS_APPLYING = 2_000;

/** Statements that wait for one of those: about 300 slates of 51; more would only age in the queue. */
export const MAX_STATEMENTS_WAITING = 16_384;

/** Once the oldest read has waited this long for its turn, further ones are refused: those that wait are then still answered in time. */
export const MAX_READ_WAIT_MS = 150;

/** When a caller may try again that was refused because of them. */
export const STORE_OVERLOADED_RETRY_MS = 250;

/** After this long a read is sent to another replica as well: above the p99 of a loaded node, far below the deadline. */
export const SPECULATION_DELAY_MS = 40;

/** After this long it is sent to a fallback as well, where there is no other replica: a node that stands still, not one that has much to do. */
export const FALLBACK_SPECULATION_DELAY_MS = 400;
