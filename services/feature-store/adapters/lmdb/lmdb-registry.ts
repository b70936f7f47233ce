import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { AuditRecord, Registry, SyncReports, TablePlacement } from '../../ports/registry.ts';
import type { CopiedRegistry, RegistryCopy } from '../../ports/registry-copies.ts';
import { auditRecordOf } from '../../registry/audit-chain.ts';
import { entryKey } from '../../registry/entry-key.ts';
import { buildMeshState, type RegionRoster } from '../../registry/mesh-state-builder.ts';
import {
  assertRevision,
  changeImage,
  EMPTY_IMAGE,
  type RegistryImage,
} from '../../registry/registry-image.ts';

import { assertLmdbFile } from './lmdb-file.ts';

/** How often a process looks for commits of the region's other processes: well below the 200 ms that the port promises. */
const POLL_MS = 100;

/** Bytes of address space: a catalogue of 10,000 groups of 10 KiB fits ten times over. */
const MAP_BYTES = 1024 * 1024 * 1024;

/** What changes whenever anything in the environment does; compared by value when polled. */
interface Head {
  readonly revision: number;
  readonly ownSequence: number;
  readonly confirmations: number;
  readonly audits: number;
}

const NO_HEAD: Head = { revision: 0, ownSequence: 0, confirmations: 0, audits: 0 };

/** Where and with what a registry is opened. */
export interface LmdbRegistryOptions {
  readonly path: string;
  readonly roster: RegionRoster;
  readonly clock: Clock;
  readonly timer: Timer;
  /** What an environment that holds nothing begins with: it was lost. */
  readonly lost?: RegistryCopy | undefined;
}

/**
 * The registry port on one LMDB environment that several processes of a region share. A commit is one synced
 * transaction under LMDB's writer lock, so guards hold across processes; other processes notice within `POLL_MS`.
 */
export class LmdbRegistry implements CopiedRegistry {
  readonly wasRestored: boolean;
  readonly #root: RootDatabase<unknown, string>;
  readonly #entries: Database<CatalogueEntry, string>;
  readonly #meta: Database<Head | Record<string, number> | SyncReports | number, string>;
  readonly #tables: Database<TablePlacement, string>;
  readonly #audit: Database<AuditRecord, number>;
  readonly #clock: Clock;
  readonly #listeners = new Set<(state: MeshState) => void>();
  readonly #poll: { stop(): void };
  readonly #file: string;
  readonly #fileId: number;
  #refreshFailed = false;
  readonly #roster: RegionRoster;
  #head: Head = NO_HEAD;
  #image: RegistryImage = EMPTY_IMAGE;
  #state: MeshState;

  private constructor(options: LmdbRegistryOptions) {
    this.#root = open({
      path: options.path,
      mapSize: MAP_BYTES,
      maxDbs: 8,
      encoding: 'json',
      // A commit that answered is on disk: definitions and signatures are few and must not be lost.
      overlappingSync: false,
    });
    this.#entries = this.#root.openDB({ name: 'entries', encoding: 'json' });
    this.#meta = this.#root.openDB({ name: 'meta', encoding: 'json' });
    this.#tables = this.#root.openDB({ name: 'tables', encoding: 'json' });
    this.#audit = this.#root.openDB({ name: 'audit', encoding: 'json' });
    this.#clock = options.clock;
    this.#roster = options.roster;
    this.#state = buildMeshState(this.#image, this.#roster, this.#clock.nowMs());
    this.#file = join(options.path, 'data.mdb');
    this.#fileId = statSync(this.#file).ino;
    this.wasRestored = options.lost !== undefined && this.#restore(options.lost);
    this.#refresh();
    this.#poll = options.timer.every(POLL_MS, () => this.#refreshSafely());
  }

  /** Opens or creates the environment and loads the state. Throws CORRUPT_DATA for a file that is damaged. */
  static open(options: LmdbRegistryOptions): LmdbRegistry {
    assertLmdbFile(options.path);
    return new LmdbRegistry(options);
  }

  state(): MeshState {
    return this.#state;
  }

  entries(): Promise<readonly CatalogueEntry[]> {
    this.#refresh();
    return Promise.resolve([...this.#image.entries.values()]);
  }

  async commit(change: Parameters<Registry['commit']>[0]): Promise<MeshState> {
    this.#root.transactionSync(() => {
      const head = this.#readHead();
      assertRevision(head.revision, change.expectedRevision);
      const before = this.#loadImage(head);
      const changed = changeImage(before, change.entries, this.#roster.self.id);
      const { image, written, removed } = changed;
      if (written.length === 0) return;
      for (const key of removed) this.#entries.removeSync(key);
      for (const { key, entry } of written) this.#entries.putSync(key, entry);
      const previous = head.audits === 0 ? undefined : this.#audit.get(head.audits);
      const record = auditRecordOf(change, changed, {
        previous,
        atMs: this.#clock.nowMs(),
        self: this.#roster.self.id,
      });
      this.#audit.putSync(head.audits + 1, record);
      this.#putHead({
        ...head,
        revision: image.revision,
        ownSequence: image.ownSequence,
        audits: head.audits + 1,
      });
    });
    await this.#root.flushed;
    this.#refresh();
    return this.#state;
  }

  tablePlacements(): Promise<readonly TablePlacement[]> {
    this.#root.resetReadTxn();
    return Promise.resolve([...this.#tables.getRange()].map(({ value }) => value));
  }

  async saveTablePlacements(placements: readonly TablePlacement[], expectedRevision?: number): Promise<void> {
    this.#root.transactionSync(() => {
      assertRevision(this.#readHead().revision, expectedRevision);
      for (const placement of placements)
        this.#tables.putSync(`${placement.groupId}/${placement.version}`, placement);
    });
    await this.#root.flushed;
  }

  async confirmPolicy(home: string, epoch: number, atMs: number): Promise<void> {
    // A peer that confirms an epoch we have not all policies of confirms nothing about those we have.
    if (epoch !== (this.#state.policyEpochs[home] ?? 0)) return;
    this.#root.transactionSync(() => {
      const head = this.#readHead();
      this.#meta.putSync('confirmed', { ...this.#readConfirmed(), [home]: atMs });
      this.#putHead({ ...head, confirmations: head.confirmations + 1 });
    });
    this.#refresh();
  }

  onChange(listener: (state: MeshState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async saveReport(report: SyncReports): Promise<void> {
    this.#root.transactionSync(() => {
      const before = (this.#meta.get('reports') as SyncReports | undefined) ?? {};
      this.#meta.putSync('reports', { ...before, ...report });
    });
    await this.#root.flushed;
  }

  reports(): SyncReports {
    this.#root.resetReadTxn();
    return (this.#meta.get('reports') as SyncReports | undefined) ?? {};
  }

  audit(limit: number): Promise<readonly AuditRecord[]> {
    this.#root.resetReadTxn();
    const newest = [...this.#audit.getRange({ reverse: true, limit })].map(({ value }) => value);
    return Promise.resolve(newest.reverse());
  }

  copy(): RegistryCopy {
    this.#root.resetReadTxn();
    const { revision, ownSequence, confirmations, audits } = this.#readHead();
    const lastAudit = this.#audit.get(audits);
    return {
      ...{ revision, ownSequence, confirmations, audits },
      entries: [...this.#entries.getRange()].map(({ value }) => value),
      confirmedAtMs: this.#readConfirmed(),
      tables: [...this.#tables.getRange()].map(({ value }) => value),
      ...(lastAudit === undefined ? {} : { lastAudit }),
    };
  }

  failure(): string | undefined {
    if (this.#refreshFailed) return 'the registry cannot be read (see the log)';
    try {
      if (statSync(this.#file).ino === this.#fileId) return undefined;
    } catch {
      // Gone, or out of reach.
    }
    return 'the file of the registry was lost while it was open';
  }

  probe(): void {
    this.#root.transactionSync(() => this.#meta.putSync('probed', this.#clock.nowMs()));
  }

  async close(): Promise<void> {
    this.#poll.stop();
    this.#listeners.clear();
    await this.#root.close();
  }

  #restore(copy: RegistryCopy): boolean {
    return this.#root.transactionSync(() => {
      if (this.#meta.get('head') !== undefined || copy.revision === 0) return false;
      for (const entry of copy.entries) this.#entries.putSync(entryKey(entry), entry);
      for (const table of copy.tables) this.#tables.putSync(`${table.groupId}/${table.version}`, table);
      if (copy.lastAudit !== undefined) this.#audit.putSync(copy.audits, copy.lastAudit);
      this.#meta.putSync('confirmed', { ...copy.confirmedAtMs });
      const { revision, ownSequence, confirmations, audits } = copy;
      this.#putHead({ revision, ownSequence, confirmations, audits });
      return true;
    });
  }

  #refreshSafely(): void {
    try {
      this.#refresh();
      this.#refreshFailed = false;
    } catch {
      this.#refreshFailed = true;
    }
  }

  #refresh(): void {
    this.#root.resetReadTxn();
    const head = this.#readHead();
    if (head.revision === this.#head.revision && head.confirmations === this.#head.confirmations) return;
    this.#swap(head, this.#loadImage(head));
  }

  #swap(head: Head, image: RegistryImage): void {
    this.#head = head;
    this.#image = image;
    this.#state = buildMeshState(image, this.#roster, this.#clock.nowMs());
    for (const listener of this.#listeners) listener(this.#state);
  }

  #readHead(): Head {
    return (this.#meta.get('head') as Head | undefined) ?? NO_HEAD;
  }

  #readConfirmed(): Readonly<Record<string, number>> {
    return (this.#meta.get('confirmed') as Record<string, number> | undefined) ?? {};
  }

  #putHead(head: Head): void {
    this.#meta.putSync('head', head);
  }

  #loadImage(head: Head): RegistryImage {
    const confirmedAtMs = this.#readConfirmed();
    if (head.revision === this.#head.revision) return { ...this.#image, confirmedAtMs };
    const entries = new Map<string, CatalogueEntry>();
    for (const { key, value } of this.#entries.getRange()) entries.set(key, value);
    return { revision: head.revision, ownSequence: head.ownSequence, entries, confirmedAtMs };
  }
}
