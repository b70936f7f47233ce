import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type {
  AuditRecord,
  Registry,
  SyncReports,
  TablePlacement,
} from '@featuremesh/feature-store/ports/registry';
import { auditRecordOf } from '@featuremesh/feature-store/registry/audit-chain';
import { buildMeshState, type RegionRoster } from '@featuremesh/feature-store/registry/mesh-state-builder';
import {
  assertRevision,
  changeImage,
  EMPTY_IMAGE,
  type RegistryImage,
} from '@featuremesh/feature-store/registry/registry-image';
import type { Clock } from '@featuremesh/runtime/clock';

/** What the processes of one region share: the memory twin of the LMDB environment. */
export class MemoryRegistryDisk {
  image: RegistryImage = EMPTY_IMAGE;
  readonly tables = new Map<string, TablePlacement>();
  readonly audits: AuditRecord[] = [];
  reports: SyncReports = {};
  readonly changed = new Set<() => void>();
}

/** The registry port in memory, for tests and the simulator; processes that share a disk see each other's commits. */
export class MemoryRegistry implements Registry {
  readonly #disk: MemoryRegistryDisk;
  readonly #clock: Clock;
  readonly #listeners = new Set<(state: MeshState) => void>();
  readonly #onDiskChange = () => this.#rebuild();
  readonly #roster: RegionRoster;
  #state: MeshState;

  constructor(options: { roster: RegionRoster; clock: Clock; disk?: MemoryRegistryDisk }) {
    this.#disk = options.disk ?? new MemoryRegistryDisk();
    this.#clock = options.clock;
    this.#roster = options.roster;
    this.#state = buildMeshState(this.#disk.image, this.#roster, this.#clock.nowMs());
    this.#disk.changed.add(this.#onDiskChange);
  }

  state(): MeshState {
    return this.#state;
  }

  entries(): Promise<readonly CatalogueEntry[]> {
    return Promise.resolve([...this.#disk.image.entries.values()]);
  }

  async commit(change: Parameters<Registry['commit']>[0]): Promise<MeshState> {
    this.#guard(change.expectedRevision);
    const changed = changeImage(this.#disk.image, change.entries, this.#roster.self.id);
    if (changed.written.length === 0) return this.#state;
    const previous = this.#disk.audits.at(-1);
    this.#disk.audits.push(
      auditRecordOf(change, changed, { previous, atMs: this.#clock.nowMs(), self: this.#roster.self.id }),
    );
    this.#save(changed.image);
    return this.#state;
  }

  tablePlacements(): Promise<readonly TablePlacement[]> {
    return Promise.resolve([...this.#disk.tables.values()]);
  }

  async saveTablePlacements(placements: readonly TablePlacement[], expectedRevision?: number): Promise<void> {
    this.#guard(expectedRevision);
    for (const placement of placements)
      this.#disk.tables.set(`${placement.groupId}/${placement.version}`, placement);
  }

  async confirmPolicy(home: string, epoch: number, atMs: number): Promise<void> {
    if (epoch !== (this.#state.policyEpochs[home] ?? 0)) return;
    const { image } = this.#disk;
    this.#save({ ...image, confirmedAtMs: { ...image.confirmedAtMs, [home]: atMs } });
  }

  onChange(listener: (state: MeshState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  saveReport(report: SyncReports): Promise<void> {
    this.#disk.reports = { ...this.#disk.reports, ...report };
    return Promise.resolve();
  }

  reports(): SyncReports {
    return this.#disk.reports;
  }

  audit(limit: number): Promise<readonly AuditRecord[]> {
    return Promise.resolve(this.#disk.audits.slice(-limit));
  }

  close(): Promise<void> {
    this.#listeners.clear();
    this.#disk.changed.delete(this.#onDiskChange);
    return Promise.resolve();
  }

  #save(image: RegistryImage): void {
    this.#disk.image = image;
    for (const notice of [...this.#disk.changed]) notice();
  }

  #rebuild(): void {
    this.#state = buildMeshState(this.#disk.image, this.#roster, this.#clock.nowMs());
    for (const listener of this.#listeners) listener(this.#state);
  }

  #guard(expected: number | undefined): void {
    assertRevision(this.#disk.image.revision, expected);
  }
}
