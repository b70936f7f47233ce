import { isDeepStrictEqual } from 'node:util';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { AuditRecord, SyncReports, TablePlacement } from '../../ports/registry.ts';
import type { RegistryImage } from '../../registry/registry-image.ts';
import type { CallClass } from './call-classes.ts';
import type { Cql } from './cql.ts';

/** Rows of one page of a look at the registry: entries have some KiB. */
const PAGE_ROWS = 200;

/** Entries fetched by name at once. */
const KEYS_AT_ONCE = 50;

/** Changes that are followed commit by commit; who is further behind reads everything. */
const MAX_FOLLOWED = 200;

/** Looks at a registry that changes while it is read; the next poll goes on where it keeps changing. */
const MAX_LOOKS = 8;

/** Counters of the registry, in the one row that every write is conditional on. */
export interface RegistryHead {
  readonly id: string;
  readonly version: number;
  readonly revision: number;
  readonly ownSequence: number;
  readonly audits: number;
  /** Version at which table placements changed last, and confirmations or reports. */
  readonly placed: number;
  readonly noted: number;
  /** Drawn for each write: who asks finds out whether a write that was not answered took place. */
  readonly writer: string;
}

/** All that the registry holds at one version; of the record of who changed what, the newest line. */
export interface RegistryReading {
  readonly head: RegistryHead;
  readonly image: RegistryImage;
  readonly placements: ReadonlyMap<string, TablePlacement>;
  readonly reports: SyncReports;
  /** What the next record is chained to; undefined where there is none, or it was not read yet. */
  readonly lastAudit: AuditRecord | undefined;
}

/** One row beside the head. */
export interface RegistryRow {
  readonly kind: 'entry' | 'audit' | 'table' | 'confirmed' | 'report';
  readonly name: string;
  /** JSON; undefined where the row is removed. */
  readonly body: string | undefined;
}

interface AuditRow {
  readonly record: AuditRecord;
  /** Keys of the entries that the commit wrote or removed. */
  readonly keys: readonly string[];
  readonly writer: string;
}

/** The registry's partition in Cassandra: reads that are whole although it takes several statements, and writes that are one. */
export class RegistryRecords {
  readonly #cql: Cql;
  readonly #statements: ReturnType<typeof statementsIn>;

  constructor(cql: Cql) {
    this.#cql = cql;
    this.#statements = statementsIn(cql.keyspace);
  }

  /** The counters now; undefined where nothing was ever written. `serial-read` also ends a write whose outcome hangs. */
  async head(
    as: Extract<CallClass, 'record-read' | 'serial-read'>,
    expired: AbortSignal,
  ): Promise<RegistryHead | undefined> {
    const { rows } = await this.#cql.execute(this.#statements.head, [], { as, expired });
    const row = rows[0];
    if (row === undefined || row['version'] === null) return undefined;
    const count = (name: string): number => Number(row[name] ?? 0);
    return {
      id: String(row['id']),
      version: count('version'),
      revision: count('revision'),
      ownSequence: count('own_sequence'),
      audits: count('audits'),
      placed: count('placed'),
      noted: count('noted'),
      writer: String(row['writer']),
    };
  }

  /**
   * What belongs to `head`, read on from `known`. What is written meanwhile is followed until nothing was: the parts of a reading
   * are of one version. Rejects with REGISTRY_UNAVAILABLE where that does not come about, or where this is another registry.
   */
  async read(
    head: RegistryHead,
    known: RegistryReading | undefined,
    expired: AbortSignal,
  ): Promise<RegistryReading> {
    let reading = known?.head.id === head.id && known.head.version <= head.version ? known : undefined;
    let current = head;
    for (let look = 1; look <= MAX_LOOKS; look += 1) {
      reading = await this.#follow(current, reading, expired);
      const after = await this.head('record-read', expired);
      if (after?.version === current.version && after.id === current.id) return reading;
      if (after === undefined || after.id !== current.id || after.version < current.version) break;
      current = after;
    }
    throw new ProblemError(
      problem('REGISTRY_UNAVAILABLE', 'the registry in Cassandra changed faster than it could be read'),
    );
  }

  /** Writes rows and the head after them, where the registry is still at `version`; undefined: nothing was ever written. */
  write(
    version: number | undefined,
    { head, rows }: { readonly head: RegistryHead; readonly rows: readonly RegistryRow[] },
    expired: AbortSignal,
  ): Promise<boolean> {
    const counts = [head.version, head.revision, head.ownSequence, head.audits, head.placed, head.noted];
    const condition = version === undefined ? null : BigInt(version);
    return this.#cql.conditionalBatch(
      [
        {
          query: this.#statements.advance,
          params: [head.id, ...counts.map(BigInt), head.writer, condition],
        },
        ...rows.map(({ kind, name, body }) =>
          body === undefined
            ? { query: this.#statements.remove, params: [kind, name] }
            : { query: this.#statements.put, params: [kind, name, body] },
        ),
      ],
      expired,
    );
  }

  /** The newest audit records with the ids of the writes that made them, oldest first. */
  async audits(limit: number, expired: AbortSignal): Promise<readonly AuditRow[]> {
    const { rows } = await this.#cql.execute(this.#statements.newestAudits, [limit], {
      as: 'record-read',
      expired,
    });
    return rows.map(row => parsed<AuditRow>(row.body)).toReversed();
  }

  async #follow(
    head: RegistryHead,
    known: RegistryReading | undefined,
    expired: AbortSignal,
  ): Promise<RegistryReading> {
    const [commits, placements, noted] = await Promise.all([
      this.#commits(head, known, expired),
      known?.head.placed === head.placed ? known.placements : this.#placements(expired),
      known?.head.noted === head.noted
        ? { confirmedAtMs: known.image.confirmedAtMs, reports: known.reports }
        : this.#noted(known, expired),
    ]);
    const { revision, ownSequence } = head;
    const { entries, lastAudit } = commits;
    const image = { revision, ownSequence, entries, confirmedAtMs: noted.confirmedAtMs };
    return { head, image, placements, reports: noted.reports, lastAudit };
  }

  async #commits(
    head: RegistryHead,
    known: RegistryReading | undefined,
    expired: AbortSignal,
  ): Promise<Pick<RegistryReading, 'lastAudit'> & Pick<RegistryImage, 'entries'>> {
    if (known === undefined || head.audits - known.head.audits > MAX_FOLLOWED) {
      const entries = new Map<string, CatalogueEntry>();
      for (const row of await this.#all('entry', expired))
        entries.set(row.name, parsed<CatalogueEntry>(row.body));
      return { entries, lastAudit: (await this.audits(1, expired)).at(-1)?.record };
    }
    if (head.audits === known.head.audits) {
      const { lastAudit = (await this.audits(1, expired)).at(-1)?.record } = known;
      return { entries: known.image.entries, lastAudit };
    }
    const { rows } = await this.#cql.execute(
      this.#statements.auditsAfter,
      [auditName(known.head.audits), MAX_FOLLOWED],
      { as: 'record-read', expired },
    );
    const audits = rows.map(row => parsed<AuditRow>(row.body));
    const changedKeys = [...new Set(audits.flatMap(({ keys }) => keys))];
    const entries = new Map(known.image.entries);
    for (let at = 0; at < changedKeys.length; at += KEYS_AT_ONCE) {
      const some = changedKeys.slice(at, at + KEYS_AT_ONCE);
      const found = await this.#cql.execute(this.#statements.someEntries, [some], {
        as: 'record-read',
        expired,
      });
      for (const key of some) entries.delete(key);
      for (const row of found.rows) entries.set(String(row['name']), parsed<CatalogueEntry>(row['body']));
    }
    return { entries, lastAudit: audits.at(-1)?.record ?? known.lastAudit };
  }

  async #placements(expired: AbortSignal): Promise<ReadonlyMap<string, TablePlacement>> {
    const rows = await this.#all('table', expired);
    return new Map(rows.map(row => [row.name, parsed<TablePlacement>(row.body)]));
  }

  /** Confirmations that did not change stay the same object: with it, the state does. */
  async #noted(
    known: RegistryReading | undefined,
    expired: AbortSignal,
  ): Promise<Pick<RegistryImage, 'confirmedAtMs'> & Pick<RegistryReading, 'reports'>> {
    const confirmed = await this.#all('confirmed', expired);
    const reports = await this.#all('report', expired);
    const confirmedAtMs = Object.fromEntries(confirmed.map(row => [row.name, parsed<number>(row.body)]));
    const before = known?.image.confirmedAtMs;
    return {
      confirmedAtMs: before && isDeepStrictEqual(before, confirmedAtMs) ? before : confirmedAtMs,
      reports: Object.fromEntries(reports.map(row => [row.name, parsed<unknown>(row.body)])),
    };
  }

  async #all(kind: RegistryRow['kind'], expired: AbortSignal): Promise<readonly RegistryRow[]> {
    const all: RegistryRow[] = [];
    for (let after = ''; ; ) {
      const { rows } = await this.#cql.execute(this.#statements.after, [kind, after, PAGE_ROWS], {
        as: 'record-read',
        expired,
      });
      for (const row of rows) all.push({ kind, name: String(row['name']), body: String(row['body']) });
      const last = all.at(-1);
      if (rows.length < PAGE_ROWS || last === undefined) return all;
      after = last.name;
    }
  }
}

/** Audit rows sort by their number. */
export const auditName = (count: number): string => String(count).padStart(12, '0');

/** The product alone writes these rows, from values that were parsed before; what is no JSON was changed by hand. */
function parsed<T>(body: unknown): T {
  try {
    return JSON.parse(String(body)) as T;
  } catch (error) {
    throw new ProblemError(problem('CORRUPT_DATA', 'a row of fm_registry in Cassandra is not JSON'), {
      cause: error,
    });
  }
}

function statementsIn(keyspace: string) {
  const table = `${keyspace}.fm_registry`;
  const at = "WHERE scope = 'region'";
  return {
    head: `SELECT id, version, revision, own_sequence, audits, placed, noted, writer FROM ${table} ${at} LIMIT 1`,
    advance: `UPDATE ${table} SET id = ?, version = ?, revision = ?, own_sequence = ?, audits = ?, placed = ?, noted = ?, writer = ? ${at} IF version = ?`,
    put: `INSERT INTO ${table} (scope, kind, name, body) VALUES ('region', ?, ?, ?)`,
    remove: `DELETE FROM ${table} ${at} AND kind = ? AND name = ?`,
    after: `SELECT name, body FROM ${table} ${at} AND kind = ? AND name > ? LIMIT ?`,
    auditsAfter: `SELECT name, body FROM ${table} ${at} AND kind = 'audit' AND name > ? LIMIT ?`,
    newestAudits: `SELECT name, body FROM ${table} ${at} AND kind = 'audit' ORDER BY kind DESC, name DESC LIMIT ?`,
    someEntries: `SELECT name, body FROM ${table} ${at} AND kind = 'entry' AND name IN ?`,
  };
}
