import type { SeededRandom } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { MeshRegion } from '../mesh/mesh-regions.ts';
import { heldBy } from '../nemesis/audit.ts';
import type { Ledger } from '../nemesis/ledger.ts';

/** Keys of one read. */
const SLATE_KEYS = 51;
/** Of the machine's cores nodes that start need most. */
const PAUSE_MS = 100;

/** What became of the readers' requests; counted as they go. */
export interface ReadCounts {
  answered: number;
  failed: number;
}

/** Reads slates of keys that were written, one after the other, until the signal. */
export async function countingReader(
  region: MeshRegion,
  options: {
    readonly ledger: Ledger;
    readonly reads: ReadCounts;
    readonly random: SeededRandom;
    readonly timer: Timer;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { ledger, reads, random, timer, signal } = options;
  while (!signal.aborted) {
    const { keys } = ledger;
    const first = random.int(Math.max(1, keys.length - SLATE_KEYS));
    const slate = keys.slice(first, first + SLATE_KEYS);
    if (slate.length > 0) {
      const good = await heldBy(region, slate).then(
        () => true,
        () => false,
      );
      reads[good ? 'answered' : 'failed'] += 1;
    }
    await timer.sleep(PAUSE_MS, signal);
  }
}
