import type { Position } from '@featuremesh/domain/position';
import { regionId } from '@featuremesh/domain/region-id';
import type { ApplyStep } from '../../ports/online-store.ts';
import { APPLY_DEADLINE_MS } from './cassandra-options.ts';
import type { Cql } from './cql.ts';

/** What these records need of the client. */
export type ClaimCql = Pick<Cql, 'keyspace' | 'execute' | 'within'>;

type Watermark = NonNullable<ApplyStep['watermark']>;

/** What was applied and is not written down yet; the greatest of each. */
interface Claims {
  readonly watermarks: Map<string, number>;
  readonly positions: Map<string, Position>;
}

/** A step's place among those of its watermark: it is judged when those issued before it are. */
export interface Turn {
  readonly before: Promise<void>;
  readonly done: () => void;
}

/**
 * Watermarks and positions, which trail the rows (A2): written after the rows of all they cover, many steps together, by writes whose
 * timestamp is their value, so that neither ever goes back, whoever writes. A claim that could not be written rides with the next one.
 */
export class AppliedRecords {
  readonly #cql: ClaimCql;
  readonly #statements: ReturnType<typeof statementsIn>;
  /** What the stored watermark is, or will be with the claims that wait; by name. */
  readonly #known = new Map<string, number>();
  readonly #turns = new Map<string, Promise<void>>();
  #waiting: { readonly claims: Claims; readonly written: Promise<void> } | undefined;
  #owed: Claims = noClaims();
  #writing: Promise<void> = Promise.resolve();

  constructor(cql: ClaimCql) {
    this.#cql = cql;
    this.#statements = statementsIn(cql.keyspace);
  }

  /** Takes the next turn of a watermark; call it in the order in which steps are issued, before anything is awaited. */
  takeTurn(name: string): Turn {
    const before = this.#turns.get(name) ?? Promise.resolve();
    let done = (): void => undefined;
    const ended = new Promise<void>(resolve => {
      done = resolve;
    });
    const next = before.then(() => ended);
    this.#turns.set(name, next);
    void next.then(() => {
      if (this.#turns.get(name) === next) this.#turns.delete(name);
    });
    return { before, done };
  }

  /** False where the watermark has to wait for a step before this one; to be asked in turn, with the step's rows applied. */
  async moves({ name, sequence, after }: Watermark, expired: AbortSignal): Promise<boolean> {
    let known = this.#known.get(name) ?? (await this.#learn(name, expired));
    if (sequence > known && after !== undefined && after !== known) known = await this.#learn(name, expired);
    if (sequence <= known) return true;
    if (after !== undefined && after !== known) return false;
    this.#known.set(name, sequence);
    return true;
  }

  /** Resolves when the claim is written down; positions first, since a watermark that passed one would never bring it back. */
  async claim(watermark: Watermark | undefined, positions: readonly Position[]): Promise<void> {
    if (watermark === undefined && positions.length === 0) return;
    this.#waiting ??= this.#open();
    const { claims, written } = this.#waiting;
    if (watermark !== undefined) raise(claims.watermarks, watermark.name, watermark.sequence);
    for (const position of positions) raisePosition(claims, position);
    await written;
  }

  /** The stored watermark; 0 where there is none. */
  async watermark(name: string, expired: AbortSignal): Promise<number> {
    const { rows } = await this.#cql.execute(this.#statements.watermark, [name], {
      as: 'claim-read',
      expired,
    });
    return Number(rows[0]?.['sequence'] ?? 0);
  }

  /** As OnlineStore.appliedPosition. */
  async position(of: Omit<Position, 'sequence'>, expired: AbortSignal): Promise<number> {
    const { groupId, origin, feedEpoch, appender } = of;
    const { rows } = await this.#cql.execute(
      this.#statements.position,
      [groupId, origin, feedEpoch, appender],
      {
        as: 'claim-read',
        expired,
      },
    );
    return Number(rows[0]?.['sequence'] ?? 0);
  }

  /** As OnlineStore.appliedPositions. */
  async positions(groupId: string, expired: AbortSignal): Promise<readonly Position[]> {
    const { rows } = await this.#cql.execute(this.#statements.positions, [groupId], {
      as: 'claim-read',
      expired,
    });
    return rows.map(row => ({
      origin: regionId(String(row['origin'])),
      feedEpoch: String(row['feed_epoch']),
      groupId,
      appender: Number(row['appender']),
      sequence: Number(row['sequence']),
    }));
  }

  async #learn(name: string, expired: AbortSignal): Promise<number> {
    const stored = await this.watermark(name, expired);
    return raise(this.#known, name, stored);
  }

  /** Claims gather while those before them are being written. */
  #open(): { readonly claims: Claims; readonly written: Promise<void> } {
    const claims = noClaims();
    const written = this.#writing.then(() => {
      this.#waiting = undefined;
      for (const [name, sequence] of this.#owed.watermarks) raise(claims.watermarks, name, sequence);
      for (const position of this.#owed.positions.values()) raisePosition(claims, position);
      this.#owed = claims;
      return this.#cql.within(APPLY_DEADLINE_MS, expired => this.#write(claims, expired));
    });
    this.#writing = written.then(
      () => {
        this.#owed = noClaims();
      },
      () => undefined,
    );
    return { claims, written };
  }

  async #write({ watermarks, positions }: Claims, expired: AbortSignal): Promise<void> {
    const how = { as: 'claim', expired } as const;
    await Promise.all(
      Array.from(positions.values(), ({ groupId, origin, feedEpoch, appender, sequence }) =>
        this.#cql.execute(
          this.#statements.writePosition,
          [groupId, origin, feedEpoch, appender, BigInt(sequence), BigInt(sequence)],
          how,
        ),
      ),
    );
    await Promise.all(
      Array.from(watermarks, ([name, sequence]) =>
        this.#cql.execute(this.#statements.writeWatermark, [name, BigInt(sequence), BigInt(sequence)], how),
      ),
    );
  }
}

function statementsIn(keyspace: string) {
  const positions = `${keyspace}.fm_positions`;
  return {
    watermark: `SELECT sequence FROM ${keyspace}.fm_watermarks WHERE name = ?`,
    writeWatermark: `INSERT INTO ${keyspace}.fm_watermarks (name, sequence) VALUES (?, ?) USING TIMESTAMP ?`,
    position: `SELECT sequence FROM ${positions} WHERE group_id = ? AND origin = ? AND feed_epoch = ? AND appender = ?`,
    positions: `SELECT origin, feed_epoch, appender, sequence FROM ${positions} WHERE group_id = ?`,
    writePosition: `INSERT INTO ${positions} (group_id, origin, feed_epoch, appender, sequence) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?`,
  };
}

const noClaims = (): Claims => ({ watermarks: new Map(), positions: new Map() });

function raise(values: Map<string, number>, name: string, value: number): number {
  const raised = Math.max(value, values.get(name) ?? 0);
  values.set(name, raised);
  return raised;
}

function raisePosition({ positions }: Claims, position: Position): void {
  const { groupId, origin, feedEpoch, appender, sequence } = position;
  const key = `${groupId}/${origin}/${feedEpoch}/${appender}`;
  if (sequence > (positions.get(key)?.sequence ?? 0)) positions.set(key, position);
}
