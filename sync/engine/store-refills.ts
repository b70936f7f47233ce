import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { GroupVersion, RegionService } from '../ports/region-service.ts';
import { REFILL_INTERVAL_MS } from './limits.ts';

/** What refills work with. */
export interface StoreRefillsParts {
  readonly peer: RegionId;
  readonly service: Pick<RegionService, 'owedRefills' | 'refilled'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const keyOf = ({ groupId, version }: GroupVersion): string => `${groupId}@${version}`;

/**
 * What the region's online store has lost and its log has forgotten, as far as this peer holds it: the service says which groups, a
 * snapshot of each is asked for, and the service is told when its last page is in the local log. Calls never hold up the import.
 */
export class StoreRefills {
  readonly #parts: StoreRefillsParts;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #looking = false;
  #owed: readonly GroupVersion[] = [];
  /** Asked for here since the agent began; a restart asks again. */
  readonly #asked = new Set<string>();
  readonly #filled = new Map<string, { readonly group: GroupVersion; readonly throughSequence: number }>();

  constructor(parts: StoreRefillsParts) {
    this.#parts = parts;
  }

  /** Owed groups of which no snapshot was asked for yet, once each; looks for news in the background. */
  take(importable: readonly GroupVersion[]): readonly GroupVersion[] {
    const nowMs = this.#parts.clock.nowMs();
    if (!this.#looking && Math.abs(nowMs - this.#lookedAtMs) >= REFILL_INTERVAL_MS) {
      this.#lookedAtMs = nowMs;
      this.#looking = true;
      void this.#look();
    }
    const permitted = new Set(importable.map(keyOf));
    const taken = this.#owed.filter(group => permitted.has(keyOf(group)) && !this.#asked.has(keyOf(group)));
    for (const group of taken) this.#asked.add(keyOf(group));
    return taken;
  }

  /** A snapshot of the group has come to its end; its last page is in the log at this sequence. */
  arrived(group: GroupVersion, throughSequence: number): void {
    if (this.#asked.has(keyOf(group))) this.#filled.set(keyOf(group), { group, throughSequence });
  }

  /** A snapshot will not come: it is asked for again while it is owed. */
  declined(): void {
    for (const group of this.#owed) this.#asked.delete(keyOf(group));
    // Not at once: the next answer of the service names them again.
    this.#owed = [];
  }

  async #look(): Promise<void> {
    const { peer, service, logger } = this.#parts;
    try {
      for (const [key, { group, throughSequence }] of this.#filled) {
        const { groupId, version } = group;
        if (!(await service.refilled({ peer, groupId, version, throughSequence }))) continue;
        this.#filled.delete(key);
        this.#asked.delete(key);
      }
      const owed = await service.owedRefills(peer);
      this.#owed = owed.filter(group => !this.#filled.has(keyOf(group)));
      if (this.#owed.some(group => !this.#asked.has(keyOf(group))))
        logger.warn({ peer, groups: this.#owed.length }, 'the online store was lost; asking for a snapshot');
    } catch {
      // The service does not answer now; it is asked again.
    } finally {
      this.#looking = false;
    }
  }
}
