import type { IdempotencyRecord } from '../../ports/online-store.ts';
import type { Cql } from './cql.ts';

/** Records of one minute are one partition of the index by time: small enough to read whole, few enough to walk. */
const BUCKET_MS = 60_000;
/** How long the count of a minute is believed that this process did not change: others add to the present one. */
const COUNT_BELIEVED_MS = 2_000;
/** Minutes whose count is remembered: three windows of a day. */
const MAX_COUNTED_BUCKETS = 4_320;
const PART = 'all';

/**
 * The idempotency index. The first record of an id stays without a conditional write: records are kept by (id, time) and the earliest is
 * the one that counts; two processes can only write the same id with the same answer, since the log lets one chunk of an id in.
 */
export class IdempotencyRecords {
  readonly #cql: Cql;
  readonly #nowMs: () => number;
  readonly #statements: ReturnType<typeof statementsIn>;
  readonly #counts = new Map<number, { readonly count: number; readonly atMs: number }>();
  readonly #buckets = new Set<number>();

  constructor(cql: Cql, nowMs: () => number) {
    this.#cql = cql;
    this.#nowMs = nowMs;
    this.#statements = statementsIn(cql.keyspace);
  }

  /** Writes the record unless there is one of its id. */
  async remember(record: IdempotencyRecord, expired: AbortSignal): Promise<void> {
    if ((await this.find(record.id, expired)) !== undefined) return;
    const { id, bodyHash, answer, storedAtMs } = record;
    const bucket = bucketOf(storedAtMs);
    const how = { as: 'write', expired } as const;
    const { noteBucket, noteTime, write } = this.#statements;
    // The index comes first: a record that no sweep can find would stay for ever.
    if (!this.#buckets.has(bucket)) await this.#cql.execute(noteBucket, [BigInt(bucket)], how);
    this.#remembered(bucket);
    await this.#cql.execute(noteTime, [BigInt(bucket), BigInt(storedAtMs), id], how);
    await this.#cql.execute(write, [id, BigInt(storedAtMs), bodyHash, answer], how);
    this.#counts.delete(bucket);
  }

  /** As OnlineStore.idempotency. */
  async find(id: string, expired: AbortSignal): Promise<IdempotencyRecord | undefined> {
    const { rows } = await this.#cql.execute(this.#statements.find, [id], { as: 'record-read', expired });
    const row = rows[0];
    if (row === undefined) return undefined;
    return {
      id,
      bodyHash: String(row['body_hash']),
      answer: String(row['answer']),
      storedAtMs: Number(row['stored_at_ms']),
    };
  }

  /** Records held; those of other processes are counted within `COUNT_BELIEVED_MS`, or when their minute has passed. */
  async count(expired: AbortSignal): Promise<number> {
    let total = 0;
    for (const bucket of await this.#listBuckets(expired)) total += await this.#countOf(bucket, expired);
    return total;
  }

  /** As OnlineStore.sweepIdempotency, minute by minute from the oldest. */
  async sweep(beforeMs: number, limit: number, expired: AbortSignal): Promise<number> {
    let removed = 0;
    for (const bucket of await this.#listBuckets(expired)) {
      if (bucket * BUCKET_MS >= beforeMs || removed >= limit) break;
      const wanted = limit - removed;
      const { rows } = await this.#cql.execute(
        this.#statements.oldest,
        [BigInt(bucket), BigInt(beforeMs), wanted],
        { as: 'record-read', expired },
      );
      for (const row of rows) await this.#remove(bucket, String(row['id']), row['stored_at_ms'], expired);
      removed += rows.length;
      this.#counts.delete(bucket);
      const isPast = (bucket + 1) * BUCKET_MS <= beforeMs;
      if (isPast && rows.length < wanted) await this.#forgetBucket(bucket, expired);
    }
    return removed;
  }

  async #remove(bucket: number, id: string, storedAtMs: unknown, expired: AbortSignal): Promise<void> {
    const how = { as: 'write', expired } as const;
    await this.#cql.execute(this.#statements.remove, [id, storedAtMs], how);
    await this.#cql.execute(this.#statements.removeTime, [BigInt(bucket), storedAtMs, id], how);
  }

  async #forgetBucket(bucket: number, expired: AbortSignal): Promise<void> {
    const how = { as: 'write', expired } as const;
    await this.#cql.execute(this.#statements.removeTimes, [BigInt(bucket)], how);
    await this.#cql.execute(this.#statements.removeBucket, [BigInt(bucket)], how);
    this.#buckets.delete(bucket);
    this.#counts.delete(bucket);
  }

  async #listBuckets(expired: AbortSignal): Promise<readonly number[]> {
    const { rows } = await this.#cql.execute(this.#statements.buckets, [], { as: 'record-read', expired });
    return rows.map(row => Number(row['bucket']));
  }

  async #countOf(bucket: number, expired: AbortSignal): Promise<number> {
    const nowMs = this.#nowMs();
    const counted = this.#counts.get(bucket);
    // A minute that was over when it was counted gains nothing but what this process replays, which forgets the count.
    const isOver = counted !== undefined && counted.atMs > (bucket + 2) * BUCKET_MS;
    if (counted !== undefined && (isOver || nowMs - counted.atMs < COUNT_BELIEVED_MS)) return counted.count;
    const { rows } = await this.#cql.execute(this.#statements.count, [BigInt(bucket)], {
      as: 'record-read',
      expired,
    });
    const count = Number(rows[0]?.['n'] ?? 0);
    if (this.#counts.size >= MAX_COUNTED_BUCKETS) this.#counts.clear();
    this.#counts.set(bucket, { count, atMs: nowMs });
    return count;
  }

  #remembered(bucket: number): void {
    if (this.#buckets.size >= MAX_COUNTED_BUCKETS) this.#buckets.clear();
    this.#buckets.add(bucket);
  }
}

const bucketOf = (storedAtMs: number): number => Math.floor(storedAtMs / BUCKET_MS);

function statementsIn(keyspace: string) {
  const records = `${keyspace}.fm_idempotency`;
  const times = `${keyspace}.fm_idempotency_times`;
  const buckets = `${keyspace}.fm_idempotency_buckets`;
  return {
    find: `SELECT stored_at_ms, body_hash, answer FROM ${records} WHERE id = ? LIMIT 1`,
    write: `INSERT INTO ${records} (id, stored_at_ms, body_hash, answer) VALUES (?, ?, ?, ?)`,
    remove: `DELETE FROM ${records} WHERE id = ? AND stored_at_ms = ?`,
    noteTime: `INSERT INTO ${times} (bucket, stored_at_ms, id) VALUES (?, ?, ?)`,
    oldest: `SELECT stored_at_ms, id FROM ${times} WHERE bucket = ? AND stored_at_ms < ? LIMIT ?`,
    count: `SELECT count(*) AS n FROM ${times} WHERE bucket = ?`,
    removeTime: `DELETE FROM ${times} WHERE bucket = ? AND stored_at_ms = ? AND id = ?`,
    removeTimes: `DELETE FROM ${times} WHERE bucket = ?`,
    noteBucket: `INSERT INTO ${buckets} (part, bucket) VALUES ('${PART}', ?)`,
    buckets: `SELECT bucket FROM ${buckets} WHERE part = '${PART}' LIMIT ${MAX_COUNTED_BUCKETS}`,
    removeBucket: `DELETE FROM ${buckets} WHERE part = '${PART}' AND bucket = ?`,
  };
}
