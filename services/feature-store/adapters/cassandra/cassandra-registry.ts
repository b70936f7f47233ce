import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Repetition } from '@featuremesh/runtime/timer';
import type { AuditRecord, Registry, SyncReports, TablePlacement } from '../../ports/registry.ts';
import type { RegistryCopies, RegistryCopy } from '../../ports/registry-copies.ts';
import { auditRecordOf } from '../../registry/audit-chain.ts';
import { entryKey } from '../../registry/entry-key.ts';
import { buildMeshState, type RegionRoster } from '../../registry/mesh-state-builder.ts';
import {
  assertRevision,
  changeImage,
  EMPTY_IMAGE,
  type RegistryImage,
} from '../../registry/registry-image.ts';
import { CassandraConnection } from './cassandra-connection.ts';
import {
  APPLY_DEADLINE_MS,
  type CassandraStoreOptions,
  REQUEST_DEADLINE_MS,
  SCAN_DEADLINE_MS,
} from './cassandra-options.ts';
import { assertSameRegistry, type RegistryChange, RegistryCommits, rowOf } from './registry-commits.ts';
import { auditName, type RegistryReading, RegistryRecords, type RegistryRow } from './registry-records.ts';
import { RememberedNotes } from './remembered-notes.ts';

/** How often a process looks for what others wrote: one small quorum read, below the 200 ms that the port promises. */
const POLL_MS = 100;

/** Pause between looks while Cassandra does not answer. */
const FAILED_POLL_MS = 1_000;

/** How long a start that has a copy waits for Cassandra: a connection takes well below a second. */
const START_PATIENCE_MS = 3_000;

/** Changes of this process that wait for one another; beyond them OVERLOADED. */
const MAX_WAITING = 64;

/** What a registry in Cassandra works with. */
export interface CassandraRegistryOptions {
  readonly cassandra: CassandraStoreOptions;
  readonly roster: RegionRoster;
  /** On this machine: what is known while Cassandra does not answer. */
  readonly copies: RegistryCopies;
}

/**
 * The registry in one partition of Cassandra. Every write is one conditional batch, which takes place as a whole where the registry is
 * still as it was read, or not at all. While Cassandra does not answer, the state stays as it was known last, also in a process that is
 * started meanwhile, changes are refused with REGISTRY_UNAVAILABLE, and confirmations and reports wait in memory.
 */
export class CassandraRegistry implements Registry {
  readonly #options: CassandraRegistryOptions;
  readonly #connection: CassandraConnection<RegistryCommits>;
  readonly #notes = new RememberedNotes();
  readonly #listeners = new Set<(state: MeshState) => void>();
  #known: RegistryReading | undefined;
  /** False until Cassandra was read: what the copy told may be old. */
  #isCurrent = false;
  #state: MeshState;
  #failure: string | undefined;
  #nextPollMs = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #poll: Repetition | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isSaved = true;

  private constructor(options: CassandraRegistryOptions, copy: RegistryCopy | undefined) {
    this.#options = options;
    const { cassandra } = options;
    this.#connection = new CassandraConnection(
      linearizable(cassandra),
      'registry',
      ({ cql }) => new RegistryCommits(new RegistryRecords(cql), cassandra),
    );
    this.#known = copy && readingOf(copy);
    this.#state = this.#built();
  }

  /** Takes over the copy, tries to connect and goes on trying; a registry that does not answer keeps no process from starting. */
  static async open(options: CassandraRegistryOptions): Promise<CassandraRegistry> {
    const registry = new CassandraRegistry(options, await options.copies.newest());
    const { timer } = options.cassandra;
    // What is wrong was logged, and is said by readiness.
    const connecting = registry.#connection
      .connect()
      .catch(() => undefined)
      .then(() => registry.#refresh());
    await (registry.#known === undefined
      ? connecting
      : Promise.race([connecting, timer.sleep(START_PATIENCE_MS)]));
    registry.#connection.keepConnected();
    registry.#poll = timer.every(POLL_MS, () => registry.#look());
    return registry;
  }

  /** Why changes are not possible now, for readiness; undefined where they are. */
  failure(): string | undefined {
    return this.#connection.failure() ?? this.#failure;
  }

  /** What an operator should know though versions are served, for readiness; undefined where all is well. */
  warning(): string | undefined {
    const failure = this.failure();
    if (failure === undefined || !this.hasState) return failure;
    return `${failure}; known versions are served and written on, definitions and policies cannot be changed`;
  }

  /** True where there is a state to serve from: read from Cassandra, now or by a process of this machine before. */
  get hasState(): boolean {
    return this.#known !== undefined || this.#isCurrent;
  }

  state(): MeshState {
    return this.#state;
  }

  async entries(): Promise<readonly CatalogueEntry[]> {
    if (this.failure() === undefined) await this.#refresh();
    return [...(this.#known?.image ?? EMPTY_IMAGE).entries.values()];
  }

  async commit(change: Parameters<Registry['commit']>[0]): Promise<MeshState> {
    const { cassandra, roster } = this.#options;
    const { clock } = cassandra;
    await this.#change('one', (known, writer) => {
      const image = known?.image ?? EMPTY_IMAGE;
      assertRevision(image.revision, change.expectedRevision);
      const changed = changeImage(image, change.entries, roster.self.id);
      const { written, removed } = changed;
      if (written.length === 0) return undefined;
      const audits = (known?.head.audits ?? 0) + 1;
      const record = auditRecordOf(change, changed, {
        previous: known?.lastAudit,
        atMs: clock.nowMs(),
        self: roster.self.id,
      });
      const keys = [...written.map(({ key }) => key), ...removed];
      const rows: RegistryRow[] = written.map(({ key, entry }) => rowOf('entry', key, entry));
      for (const name of removed) rows.push({ kind: 'entry', name, body: undefined });
      rows.push(rowOf('audit', auditName(audits), { record, keys, writer }));
      return { rows, next: { image: changed.image, lastAudit: record } };
    });
    await this.#saving;
    return this.#state;
  }

  tablePlacements(): Promise<readonly TablePlacement[]> {
    return Promise.resolve([...(this.#known?.placements.values() ?? [])]);
  }

  async saveTablePlacements(placements: readonly TablePlacement[], expectedRevision?: number): Promise<void> {
    await this.#change('again', known => {
      assertRevision(known?.image.revision ?? 0, expectedRevision);
      const named = placements.map(each => [`${each.groupId}/${each.version}`, each] as const);
      const rows = named.map(([name, placement]) => rowOf('table', name, placement));
      return { rows, next: { placements: new Map([...(known?.placements ?? []), ...named]) } };
    });
    // Who starts while Cassandra is away goes by the copy.
    await this.#saving;
  }

  async confirmPolicy(home: string, epoch: number, atMs: number): Promise<void> {
    // A peer that confirms an epoch we have not all policies of confirms nothing about those we have.
    if (epoch !== (this.#state.policyEpochs[home] ?? 0)) return;
    this.#notes.confirmed(home, atMs);
    this.#rebuild();
    await this.#writeNotes();
  }

  onChange(listener: (state: MeshState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async saveReport(report: SyncReports): Promise<void> {
    this.#notes.reported(report);
    await this.#writeNotes();
  }

  reports(): SyncReports {
    return this.#notes.reportsOver(this.#known?.reports ?? {});
  }

  async audit(limit: number): Promise<readonly AuditRecord[]> {
    const audits = await this.#asRegistry(() =>
      this.#connection.within(APPLY_DEADLINE_MS, ({ records }, expired) => records.audits(limit, expired)),
    );
    return audits.map(({ record }) => record);
  }

  async close(): Promise<void> {
    this.#poll?.stop();
    this.#listeners.clear();
    await this.#connection.close();
    await this.#turn;
    await this.#saving;
  }

  /** What was noted while Cassandra did not answer, or just now; it stays remembered where it cannot be written. */
  async #writeNotes(): Promise<void> {
    try {
      await this.#change('again', known => {
        const { rows, taken } = this.#notes.toWrite();
        if (rows.length === 0) return undefined;
        const image = known?.image ?? EMPTY_IMAGE;
        const next = {
          image: withConfirmed(image, taken.confirmedAtMs),
          reports: { ...known?.reports, ...taken.reports },
        };
        return { rows, next, whenWritten: () => this.#notes.forget(taken) };
      });
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.code !== 'REGISTRY_UNAVAILABLE') throw error;
    }
  }

  async #look(): Promise<void> {
    if (this.#waiting > 0 || this.#options.cassandra.clock.monotonicMs() < this.#nextPollMs) return;
    await this.#refresh();
    if (this.#failure !== undefined || !this.#notes.areWaiting) return;
    // They stay remembered, and what stands in the way is found by the next look as well.
    await this.#writeNotes().catch((error: unknown) =>
      this.#options.cassandra.logger.warn({ err: error }, 'what was noted cannot be written to the registry'),
    );
  }

  /** Reads what is new; never rejects, a failure is kept for readiness. */
  #refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const { clock } = this.#options.cassandra;
      try {
        const head = await this.#connection.within(REQUEST_DEADLINE_MS, ({ records }, expired) =>
          records.head('record-read', expired),
        );
        assertSameRegistry(head, this.#known);
        if (head === undefined) await this.#begin();
        else if (!this.#isCurrent || head.version !== this.#known?.head.version)
          this.#adopt(
            await this.#connection.within(SCAN_DEADLINE_MS, ({ records }, expired) =>
              records.read(head, this.#known, expired),
            ),
          );
        this.#failure = undefined;
      } catch (error) {
        this.#failure = error instanceof ProblemError ? error.problem.detail : 'the registry cannot be read';
        this.#nextPollMs = clock.monotonicMs() + FAILED_POLL_MS;
      }
    });
  }

  /** A region that moves here from LMDB brings what its copy holds; the next look reads it. */
  async #begin(): Promise<void> {
    const known = this.#known;
    if (known === undefined) this.#isCurrent = true;
    else await this.#connection.within(SCAN_DEADLINE_MS, (commits, expired) => commits.seed(known, expired));
  }

  async #change(repeats: 'one' | 'again', make: RegistryChange): Promise<void> {
    if (this.#waiting >= MAX_WAITING)
      throw new ProblemError(problem('OVERLOADED', 'too many changes wait for the registry'));
    let isInDoubt = false;
    const onDoubt = (isSo: boolean): void => {
      isInDoubt = isSo;
    };
    const underWay = { make, repeats, onDoubt, known: () => this.#known };
    await this.#inTurn(() =>
      this.#asRegistry(
        () =>
          this.#connection.within(APPLY_DEADLINE_MS, (writer, expired) =>
            writer.change({ ...underWay, adopt: reading => this.#adopt(reading) }, expired),
          ),
        () => (isInDoubt ? '; the change may have been made, look before you repeat it' : ''),
      ),
    );
  }

  async #asRegistry<T>(work: () => Promise<T>, more = (): string => ''): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const isUnavailable =
        error instanceof ProblemError &&
        (error.problem.code === 'STORE_UNAVAILABLE' || error.problem.code === 'REGISTRY_UNAVAILABLE');
      if (!isUnavailable) throw error;
      throw new ProblemError(problem('REGISTRY_UNAVAILABLE', `${error.problem.detail}${more()}`), {
        cause: error,
      });
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const result = this.#turn.then(work).finally(() => {
      this.#waiting -= 1;
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #adopt(reading: RegistryReading): void {
    const before = this.#known;
    this.#known = reading;
    this.#isCurrent = true;
    const isSameImage =
      reading.image.revision === before?.image.revision &&
      reading.image.confirmedAtMs === before.image.confirmedAtMs;
    const wentBack = before !== undefined && before.head.version > reading.head.version;
    if (wentBack && before.head.id === reading.head.id)
      this.#options.cassandra.logger.warn(
        { known: before.head.version, found: reading.head.version },
        'the registry in Cassandra went back, as after a restore; what it holds now counts',
      );
    // Reports come every second and are of no use later: they alone are not worth a write to the disk.
    if (!isSameImage || reading.head.placed !== before.head.placed) this.#save();
    if (!isSameImage) this.#rebuild();
  }

  /** Keeps a copy; where several changes come while one is written, the last of them is written next. */
  #save(): void {
    this.#isSaved = false;
    this.#saving = this.#saving.then(async () => {
      const known = this.#known;
      if (this.#isSaved || known === undefined) return;
      this.#isSaved = true;
      try {
        await this.#options.copies.save(copyOf(known));
      } catch (error) {
        this.#options.cassandra.logger.error({ err: error }, 'no copy of the registry can be kept');
      }
    });
  }

  #rebuild(): void {
    this.#state = this.#built();
    for (const listener of this.#listeners) listener(this.#state);
  }

  #built(): MeshState {
    const { roster, cassandra } = this.#options;
    const image = this.#known?.image ?? EMPTY_IMAGE;
    const confirmedAtMs = this.#notes.confirmedOver(image.confirmedAtMs);
    return buildMeshState({ ...image, confirmedAtMs }, roster, cassandra.clock.nowMs());
  }
}

/**
 * Conditional writes of two data centres that agree each by itself would both succeed, so that no other data centre stands in here; where
 * the processes name different ones, reads see what any of them wrote.
 */
function linearizable(options: CassandraStoreOptions): CassandraStoreOptions {
  const { consistency } = options;
  const write = consistency.serial === 'SERIAL' ? 'QUORUM' : 'LOCAL_QUORUM';
  return { ...options, fallbackDataCentres: [], consistency: { ...consistency, write } };
}

function withConfirmed(image: RegistryImage, confirmedAtMs: Readonly<Record<string, number>>): RegistryImage {
  if (Object.keys(confirmedAtMs).length === 0) return image;
  return { ...image, confirmedAtMs: { ...image.confirmedAtMs, ...confirmedAtMs } };
}

function copyOf({ head, image, placements, lastAudit }: RegistryReading): RegistryCopy {
  const { revision, ownSequence, entries, confirmedAtMs } = image;
  return {
    ...{ revision, ownSequence, confirmedAtMs, audits: head.audits, confirmations: 0 },
    entries: [...entries.values()],
    tables: [...placements.values()],
    ...(lastAudit === undefined ? {} : { lastAudit }),
    origin: { id: head.id, version: head.version },
  };
}

/** The counters that a copy lacks are such that Cassandra's differ: all but the entries is read again. */
function readingOf(copy: RegistryCopy): RegistryReading {
  const { revision, ownSequence, confirmedAtMs, audits, origin, lastAudit } = copy;
  const entries = new Map(copy.entries.map(entry => [entryKey(entry), entry]));
  const { id, version } = origin ?? { id: '', version: 0 };
  return {
    head: { id, version, revision, ownSequence, audits, placed: -1, noted: -1, writer: '' },
    image: { revision, ownSequence, entries, confirmedAtMs },
    placements: new Map(copy.tables.map(table => [`${table.groupId}/${table.version}`, table])),
    reports: {},
    lastAudit,
  };
}
