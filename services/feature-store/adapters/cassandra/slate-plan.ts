import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { StoredRow } from '../../ports/online-store.ts';
import { bufferOf } from './cql.ts';

/**
 * Which way is best was measured with read-strategies.bench.ts, two nodes and the callers on two cores. One statement for several keys costs
 * the least work, and wins whenever there is other work. Only a slate of middling size on an idle process is answered sooner by single
 * reads, which the replica works on side by side: 51 keys in 2.8 ms instead of 5.0 (p50); with four callers it is 10.5 against 6.1.
 */
const SINGLES_FROM_KEYS = 16;
const SINGLES_BELOW_KEYS = 100;

/** Keys that other reads wait for, from which on a slate is not alone: less than one slate of a feed. */
const CROWDED_FROM_KEYS = 16;
/** For so long after two slates met a process is busy: callers who wait come in waves, and the first of each finds nobody. */
const BUSY_FOR_MS = 100;

/** Keys of one statement: what one coordinator reads for it at once. */
const MAX_KEYS_PER_STATEMENT = 100;

/**
 * Rows and bytes of one batch: beyond ten keys, and 5 KiB, the server warns of each. Most of what a batch saves is saved by then: a
 * request, its answer and a token to reckon cost more than writing a row.
 */
const BATCH_ROWS = 10;
const BATCH_BYTES = 4_096;

/** How the keys of one read are asked for: each by itself, or several in one statement. */
export type SlateKind = 'singles' | 'grouped';

/**
 * Whether slates meet in a process. It is judged by keys and for a while: a slate is two statements or fifty, and judged by statements, or
 * by the moment alone, every few slates of a busy process took it for idle and cost the nodes three times as much.
 */
export class SlateTraffic {
  readonly #clock: MonotonicClock;
  #keysBeingRead = 0;
  #metAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** The kind of plan for a read of so many keys, which begins now; `ends` is to be called with them. */
  begins(keys: number): SlateKind {
    const isMiddling = keys >= SINGLES_FROM_KEYS && keys < SINGLES_BELOW_KEYS;
    const nowMs = this.#clock.monotonicMs();
    if (isMiddling && this.#keysBeingRead >= CROWDED_FROM_KEYS) this.#metAtMs = nowMs;
    this.#keysBeingRead += keys;
    if (keys === 1) return 'singles';
    return isMiddling && nowMs - this.#metAtMs > BUSY_FOR_MS ? 'singles' : 'grouped';
  }

  ends(keys: number): void {
    this.#keysBeingRead -= keys;
  }
}

/**
 * What is asked for in one statement each: keys of one replica, each once, so many at most. `ids` are distinct for distinct keys; without
 * `replicaOf` all keys have the same replicas.
 */
export function planSlate(
  keys: readonly Buffer[],
  ids: readonly string[],
  replicaOf: ((key: Buffer) => string) | undefined,
): readonly (readonly Buffer[])[] {
  const parts: Buffer[][] = [];
  const open = new Map<string, Buffer[]>();
  const seen = new Set<string>();
  for (const [at, key] of keys.entries()) {
    const id = ids[at] ?? '';
    if (seen.has(id)) continue;
    seen.add(id);
    const replica = replicaOf?.(key) ?? '';
    let part = open.get(replica);
    if (part === undefined || part.length >= MAX_KEYS_PER_STATEMENT) {
      part = [];
      open.set(replica, part);
      parts.push(part);
    }
    part.push(key);
  }
  return parts;
}

/** Batches of rows of one replica each, of at most so many rows and bytes; a row that is longer goes alone. */
export function planBatches(
  rows: readonly StoredRow[],
  replicaOf: ((key: Buffer) => string) | undefined,
): readonly (readonly StoredRow[])[] {
  const batches: StoredRow[][] = [];
  const open = new Map<string, { readonly batch: StoredRow[]; bytes: number }>();
  for (const each of rows) {
    const replica = replicaOf?.(bufferOf(each.key)) ?? '';
    const bytes = each.key.length + each.row.length;
    let last = open.get(replica);
    if (last === undefined || last.batch.length >= BATCH_ROWS || last.bytes + bytes > BATCH_BYTES) {
      last = { batch: [], bytes: 0 };
      open.set(replica, last);
      batches.push(last.batch);
    }
    last.batch.push(each);
    last.bytes += bytes;
  }
  return batches;
}

/** A list of blobs as a statement takes it: their number and the length of each before its bytes, big-endian, in one piece. */
export function listOf(keys: readonly Uint8Array[]): Buffer {
  const list = Buffer.allocUnsafe(keys.reduce((sum, { length }) => sum + 4 + length, 4));
  let at = list.writeInt32BE(keys.length, 0);
  for (const key of keys) {
    at = list.writeInt32BE(key.length, at);
    list.set(key, at);
    at += key.length;
  }
  return list;
}
