import type { LinkStatus } from '@featuremesh/contracts/link-status';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { snapshotRows } from '@featuremesh/feature-store/serving/snapshot-rows';
import type { RegionService, SnapshotPage } from '@featuremesh/sync/ports/region-service';
import type { Hooks } from './process-parts.ts';
import type { ProcessTime } from './process-time.ts';
import type { RegionDisk } from './region-disk.ts';
import type { Scheduler } from './scheduler.ts';
import type { ServiceProcess } from './service-process.ts';

/** Rows of a snapshot's page: few, so that a snapshot has several and any of them can be lost. */
const PAGE_ROWS = 3;

/** What the internal API of a region is made of. */
export interface RegionServiceParts {
  readonly scheduler: Scheduler;
  /** The calling sync process. */
  readonly time: ProcessTime;
  readonly disk: RegionDisk;
  /** A service process that takes requests; undefined where none does. */
  readonly live: () => ServiceProcess | undefined;
  readonly publication: Hooks['publication'];
  readonly onLinks: (links: readonly LinkStatus[]) => void;
}

/**
 * The internal API as the sync process calls it: any live service process answers, and a call to one that is killed meanwhile fails.
 * Signatures of what peers tell are not verified here: the catalogue of a run is made by the run itself.
 */
export class SimulatedRegionService implements RegionService {
  readonly #parts: RegionServiceParts;

  constructor(parts: RegionServiceParts) {
    this.#parts = parts;
  }

  meshState(after: number, waitMs: number): Promise<MeshState> {
    return this.#call(service => service.waiter.after(after, waitMs));
  }

  ownEntries(peer: string, after: number): Promise<readonly CatalogueEntry[]> {
    const { disk, publication } = this.#parts;
    return this.#call(async service => {
      const told = await service.publisher.entriesFor(peer, after);
      if (publication === undefined) return told;
      const all = await service.registry.entries();
      return publication(
        told,
        all.filter(({ home, sequence }) => home === disk.id && sequence > after),
      );
    });
  }

  importEntries(peer: string, entries: readonly CatalogueEntry[]): Promise<void> {
    return this.#call(async service => {
      await service.registry.commit({ entries, actor: peer, what: 'told by a peer' });
    });
  }

  confirmPolicy({ home, epoch, atMs }: { home: string; epoch: number; atMs: number }): Promise<void> {
    return this.#call(service =>
      service.registry.confirmPolicy(home, epoch, Math.min(atMs, service.time.nowMs())),
    );
  }

  enforced(): Promise<void> {
    return this.#call(() => Promise.resolve());
  }

  reportLinks(links: readonly LinkStatus[]): Promise<void> {
    return this.#call(async () => this.#parts.onLinks(links));
  }

  /** A simulated store is never lost beyond what its log holds. */
  owedRefills(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  refilled(): Promise<boolean> {
    return Promise.resolve(true);
  }

  snapshotPage(request: {
    groupId: string;
    version: number;
    after?: string;
    limit: number;
  }): Promise<SnapshotPage> {
    const { groupId, version, after } = request;
    const limit = Math.min(request.limit, PAGE_ROWS);
    return this.#call(async ({ tables, store, registry, time }) => {
      const tableFor = (id: string, of: number) => tables.tableFor(id, of);
      const { rows, next, watermarks } = await snapshotRows(
        { state: registry.state(), store, tableFor, clock: time },
        { group: groupId, version, after, limit },
      );
      return { body: encodeFeedChunk(rows), watermarks, ...(next === undefined ? {} : { next }) };
    });
  }

  #call<T>(handle: (service: ServiceProcess) => Promise<T>): Promise<T> {
    const { scheduler, disk, live } = this.#parts;
    return new Promise((resolve, reject) => {
      scheduler.after(disk.faults.localDelayMs(), () => {
        const service = live();
        const gone = (): void => this.#answer(() => reject(unavailable()));
        if (service === undefined) {
          gone();
          return;
        }
        const cancel = service.onDeath(gone);
        handle(service).then(
          value => {
            cancel();
            this.#answer(() => resolve(value));
          },
          (error: unknown) => {
            cancel();
            this.#answer(() => reject(error));
          },
        );
      });
    });
  }

  #answer(give: () => void): void {
    const { scheduler, disk, time } = this.#parts;
    scheduler.after(disk.faults.localDelayMs(), () => {
      if (time.alive) give();
    });
  }
}

function unavailable(): ProblemError {
  return new ProblemError(problem('REGION_UNAVAILABLE', 'no service process of the region answers'));
}
