/** One row that a client sent: its key, the name of this very write (its value), and its event time, µs, unlike that of any other write of the key. */
export interface SentRow {
  readonly key: string;
  readonly write: string;
  readonly eventTimeUs: number;
}

/** What a region answers for a key: the name of the write that it holds. */
export type HeldWrites = ReadonlyMap<string, string | undefined>;

interface KeyHistory {
  readonly sent: Map<string, number>;
  /** Event time of the latest acknowledged write; undefined where none was. */
  acknowledgedUs: number | undefined;
}

/**
 * What must be true of rows that clients counted: each region holds for each key a write that was sent, none older than the latest
 * acknowledged one (S5), and all hold the same (S1). A write without an answer may or may not be there.
 */
export class Ledger {
  readonly #keys = new Map<string, KeyHistory>();
  #sent = 0;
  #acknowledged = 0;

  /** Rows that left a client. */
  get sent(): number {
    return this.#sent;
  }

  /** Rows that were acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Every key that was written. */
  get keys(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Notes rows before they leave. */
  noteSent(rows: readonly SentRow[]): void {
    for (const { key, write, eventTimeUs } of rows) {
      const history = this.#keys.get(key) ?? { sent: new Map<string, number>(), acknowledgedUs: undefined };
      history.sent.set(write, eventTimeUs);
      this.#keys.set(key, history);
      this.#sent += 1;
    }
  }

  /** Notes rows that a region has acknowledged. */
  noteAcknowledged(rows: readonly SentRow[]): void {
    for (const { key, eventTimeUs } of rows) {
      const history = this.#keys.get(key);
      if (history === undefined) throw new Error('a row was acknowledged that was never sent');
      history.acknowledgedUs = Math.max(history.acknowledgedUs ?? 0, eventTimeUs);
      this.#acknowledged += 1;
    }
  }

  /** What is wrong in these regions, a line each; none where all is well. */
  faults(regions: ReadonlyMap<string, HeldWrites>): readonly string[] {
    const faults: string[] = [];
    for (const [key, { sent, acknowledgedUs }] of this.#keys) {
      const held = new Set<string | undefined>();
      for (const [region, writes] of regions) {
        const write = writes.get(key);
        held.add(write);
        const eventTimeUs = write === undefined ? undefined : sent.get(write);
        if (write !== undefined && eventTimeUs === undefined)
          faults.push(`${region} holds for ${key} the write ${write}, which nobody sent`);
        else if (acknowledgedUs !== undefined && (eventTimeUs ?? 0) < acknowledgedUs)
          faults.push(`S5: ${region} has lost an acknowledged row of ${key}: it holds ${write ?? 'none'}`);
      }
      if (held.size > 1) faults.push(`S1: regions hold different rows of ${key}`);
    }
    return faults;
  }
}
