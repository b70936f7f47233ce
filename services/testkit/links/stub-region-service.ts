import type { LinkStatus } from '@featuremesh/contracts/link-status';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { ChunkRow } from '@featuremesh/domain/feed-chunk';
import { decodeFeedChunk, encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Position } from '@featuremesh/domain/position';
import { wins } from '@featuremesh/domain/row-order';
import type { RegionService, SnapshotPage } from '@featuremesh/sync/ports/region-service';

/** A region service for tests of the links alone: a state set by the test, and a table of winners per group version. */
export class StubRegionService implements RegionService {
  state: MeshState;
  entries: readonly CatalogueEntry[] = [];
  readonly imported: CatalogueEntry[] = [];
  readonly confirmed: { home: string; epoch: number }[] = [];
  readonly reports: { revision: number; hash: string }[] = [];
  links: readonly LinkStatus[] = [];
  snapshotPages = 0;
  readonly #positions = new Map<string, Position>();
  readonly #rows = new Map<string, Map<string, ChunkRow>>();

  constructor(state: MeshState) {
    this.state = state;
  }

  /** Applies a chunk of one appender as the projector would. */
  apply(body: Uint8Array, version: number, position: Position): void {
    const { groupId, origin, appender } = position;
    this.#positions.set(`${origin} ${groupId} ${appender}`, position);
    const key = `${groupId}@${version}`;
    const table = this.#rows.get(key) ?? new Map<string, ChunkRow>();
    this.#rows.set(key, table);
    for (const row of decodeFeedChunk(body)) {
      const at = Buffer.from(row.key).toString('hex');
      if (wins(row.row, table.get(at)?.row)) table.set(at, { key: row.key.slice(), row: row.row.slice() });
    }
  }

  async meshState(after: number, waitMs: number): Promise<MeshState> {
    for (let waited = 0; waited < waitMs && this.state.revision <= after; waited += 20) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    return this.state;
  }

  async ownEntries(_peer: string, after: number): Promise<readonly CatalogueEntry[]> {
    return this.entries.filter(entry => entry.sequence > after);
  }

  async importEntries(_peer: string, entries: readonly CatalogueEntry[]): Promise<void> {
    this.imported.push(...entries);
  }

  async confirmPolicy(confirmation: { home: string; epoch: number }): Promise<void> {
    this.confirmed.push(confirmation);
  }

  async enforced(report: { revision: number; hash: string }): Promise<void> {
    this.reports.push(report);
  }

  async reportLinks(links: readonly LinkStatus[]): Promise<void> {
    this.links = links;
  }

  async owedRefills(): Promise<readonly []> {
    return [];
  }

  async refilled(): Promise<boolean> {
    return true;
  }

  async snapshotPage(request: {
    groupId: string;
    version: number;
    after?: string;
    limit: number;
  }): Promise<SnapshotPage> {
    this.snapshotPages++;
    const table = this.#rows.get(`${request.groupId}@${request.version}`) ?? new Map<string, ChunkRow>();
    const keys = [...table.keys()].toSorted().filter(key => key > (request.after ?? ''));
    const page = keys.slice(0, request.limit);
    const rows = page.map(key => table.get(key)).filter(row => row !== undefined);
    const last = page.at(-1);
    return {
      body: encodeFeedChunk(rows),
      watermarks: [...this.#positions.values()].filter(({ groupId }) => groupId === request.groupId),
      ...(keys.length > page.length && last !== undefined ? { next: last } : {}),
    };
  }
}
