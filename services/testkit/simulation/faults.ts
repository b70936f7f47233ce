import type { SeededRandom } from '@featuremesh/runtime/random';

/** How often what goes wrong, drawn per run; all probabilities in [0, 1]. */
export interface FaultRates {
  /** A link message is lost before it arrives (it stays queued and is delivered again later). */
  readonly linkLoss: number;
  readonly linkDuplication: number;
  /** An append reaches the log and its answer does not come back. */
  readonly answerLoss: number;
  /** An append never reaches the log and no answer comes. */
  readonly appendLoss: number;
  /** An append reaches the log after its sender gave it up. */
  readonly appendLate: number;
  readonly linkDelayMs: number;
  readonly jitterMs: number;
  /** Largest deviation of a region's clock from true time, to either side. */
  readonly skewMs: number;
}

/** Draws rates for one run, so that seeds differ in character: some calm, some stormy. */
export function drawRates(random: SeededRandom): FaultRates {
  const some = (most: number): number => (random.float() < 0.4 ? 0 : random.float() * most);
  return {
    linkLoss: some(0.3),
    linkDuplication: some(0.3),
    answerLoss: some(0.06),
    appendLoss: some(0.04),
    appendLate: some(0.03),
    linkDelayMs: random.int(150),
    jitterMs: random.int(400),
    skewMs: random.float() < 0.3 ? 0 : random.int(4_000),
  };
}

/** What becomes of one append. */
export type AppendFate = 'answered' | 'unanswered' | 'lost' | 'late';

/** The chances of one region or link, from its own seeded stream. `calm` ends all loss, for the quiet end of a run. */
export class SimulatedFaults {
  readonly #random: SeededRandom;
  readonly #rates: FaultRates;
  #calm = false;

  constructor(random: SeededRandom, rates: FaultRates) {
    this.#random = random;
    this.#rates = rates;
  }

  /** From now on nothing is lost or duplicated; delays stay. */
  calm(): void {
    this.#calm = true;
  }

  /** One way between a process and its own broker or store. */
  localDelayMs(): number {
    return 0.1 + this.#random.float() * 1.5;
  }

  linkDelayMs(): number {
    return 1 + this.#rates.linkDelayMs + this.#random.float() * this.#rates.jitterMs;
  }

  loses(): boolean {
    return !this.#calm && this.#random.float() < this.#rates.linkLoss;
  }

  duplicates(): boolean {
    return !this.#calm && this.#random.float() < this.#rates.linkDuplication;
  }

  /** How long after it was sent a late append lands; below the write path's quarantine. */
  lateMs(): number {
    return 1_000 + this.#random.float() * 3_000;
  }

  appendFate(): AppendFate {
    if (this.#calm) return 'answered';
    const { appendLoss, answerLoss, appendLate } = this.#rates;
    const draw = this.#random.float();
    if (draw < appendLoss) return 'lost';
    if (draw < appendLoss + answerLoss) return 'unanswered';
    return draw < appendLoss + answerLoss + appendLate ? 'late' : 'answered';
  }
}
