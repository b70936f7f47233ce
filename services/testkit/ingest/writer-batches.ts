import type { TestCluster } from '@featuremesh/feature-store/adapters/cassandra/testing/test-store';
import type { CrashPoint } from '@featuremesh/feature-store/ports/crash-points';
import { WriteWorld } from './write-world.ts';

/** What a writer process is told, as JSON in its one argument. */
export interface WriterArguments {
  readonly brokerUrl: string;
  readonly storePath: string;
  readonly slot: number;
  readonly batches: number;
  /** Requests at once. */
  readonly writers: number;
  /** Every batch carries an Idempotency-Key of its number. */
  readonly keyed: boolean;
  /** Competes for the projector's lease as well. */
  readonly projects: boolean;
  /** The process kills itself with -9 when it reaches the point for the n-th time. */
  readonly crash?: { readonly point: CrashPoint; readonly at: number };
  /** Works on this Cassandra instead of LMDB. */
  readonly cassandra?: { readonly cluster: TestCluster; readonly keyspace: string };
  /** Its clock is so far ahead: leases of a process that was killed before have run out for it. */
  readonly clockAheadMs?: number;
}

/** Rows of one batch. */
export const WRITER_BATCH_ROWS = 20;

/** The world of writer processes: one group, `crash`. */
export function writerWorld(): WriteWorld {
  return new WriteWorld({ crash: { features: { mean: 'float64?', note: 'string' } } });
}

/** Entity of row `at` of a batch; no other row of any process has it. */
export function writerKey(slot: number, batch: number, at: number): string {
  return `s${slot}-b${batch}-r${at}`;
}

/** The rows of a batch, the same at every call. */
export function writerBatch(slot: number, batch: number): readonly unknown[] {
  return Array.from({ length: WRITER_BATCH_ROWS }, (_, at) => ({
    key: { id: writerKey(slot, batch, at) },
    eventTime: '2026-01-01T00:00:00Z',
    createdTime: '2026-01-01T00:00:01Z',
    features: { mean: batch, note: `note ${at}` },
  }));
}
