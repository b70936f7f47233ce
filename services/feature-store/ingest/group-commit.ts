import { MAX_CHUNK_ROWS } from '@featuremesh/domain/limits';
import type { StoredRow } from '../ports/online-store.ts';
import { MAX_SHARED_APPENDS } from './ingest-limits.ts';

/** What is common to the rows of one message: a table, and what is asked again when the message leaves. */
interface Waiting<Target, Outcome> {
  readonly target: Target;
  readonly rows: readonly StoredRow[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (reason: unknown) => void;
}

interface Queue<Target, Outcome> {
  readonly waiting: Waiting<Target, Outcome>[];
  inFlight: number;
}

/**
 * Writes the rows of one message, for the target of the entry that came last. Calls `logged` once the message is in the log and only
 * its outcome is still to come.
 */
type WriteTogether<Target, Outcome> = (
  target: Target,
  rows: readonly StoredRow[],
  logged: () => void,
) => Promise<Outcome>;

/**
 * Lets small writes of one table that wait at the same time share a message, so that one disk sync carries many of them (A2). Nothing
 * waits for company: rows leave at once while fewer than `MAX_SHARED_APPENDS` messages of their table are on their way to the log.
 * Rows of one entry are never parted; entries keep their order.
 */
export class GroupCommit<Target, Outcome> {
  readonly #write: WriteTogether<Target, Outcome>;
  readonly #queues = new Map<string, Queue<Target, Outcome>>();

  constructor(write: WriteTogether<Target, Outcome>) {
    this.#write = write;
  }

  /** Resolves or rejects as the message did that carried the rows. `table` names what may stand in one message. */
  commit(table: string, target: Target, rows: readonly StoredRow[]): Promise<Outcome> {
    let queue = this.#queues.get(table);
    if (queue === undefined) {
      queue = { waiting: [], inFlight: 0 };
      this.#queues.set(table, queue);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    queue.waiting.push({ target, rows, resolve, reject });
    if (queue.inFlight < MAX_SHARED_APPENDS) void this.#run(table, queue);
    return promise;
  }

  async #run(table: string, queue: Queue<Target, Outcome>): Promise<void> {
    queue.inFlight += 1;
    // What other requests of this turn of the event loop add goes along.
    await Promise.resolve();
    for (let entries = taken(queue.waiting); entries.length > 0; entries = taken(queue.waiting))
      await this.#send(entries);
    queue.inFlight -= 1;
    if (queue.inFlight === 0) this.#queues.delete(table);
  }

  /** Resolves when the message is in the log, or will not be: the next one may leave. */
  #send(entries: readonly Waiting<Target, Outcome>[]): Promise<void> {
    const last = entries.at(-1);
    if (last === undefined) return Promise.resolve();
    const { promise, resolve: logged } = Promise.withResolvers<void>();
    const rows = entries.flatMap(entry => entry.rows);
    this.#write(last.target, rows, logged)
      .then(
        outcome => {
          for (const { resolve } of entries) resolve(outcome);
        },
        reason => {
          for (const { reject } of entries) reject(reason);
        },
      )
      .finally(logged);
    return promise;
  }
}

/** Takes the first entries that fit in one message. */
function taken<Entry extends { readonly rows: readonly StoredRow[] }>(waiting: Entry[]): readonly Entry[] {
  let rows = 0;
  let count = 0;
  for (const entry of waiting) {
    rows += entry.rows.length;
    if (count > 0 && rows > MAX_CHUNK_ROWS) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
