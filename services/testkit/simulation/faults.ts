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
  readonly linkDelayMs: number;
  readonly jitterMs: number;
  readonly skewMs: number;
}

/** Draws rates for one run, so that seeds differ in character: some calm, some stormy. */
export function drawRates(random: SeededRandom): FaultRates {
  const some = (most: number): number => (random.float() < 0.4 ? 0 : random.float() * most);
  return {
    linkLoss: some(0.3),
    linkDuplication: some(0.3),
    answerLoss: some(0.1),
    appendLoss: some(0.05),
    linkDelayMs: random.int(150),
    jitterMs: random.int(400),
    skewMs: random.int(4_000),
  };
}

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

  brokerDelayMs(): number {
    return 0.2 + this.#random.float() * 3;
  }

  pollMs(): number {
    return 5 + this.#random.float() * 20;
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

  appendFate(): 'answered' | 'unanswered' | 'lost' {
    if (this.#calm) return 'answered';
    const draw = this.#random.float();
    if (draw < this.#rates.appendLoss) return 'lost';
    return draw < this.#rates.appendLoss + this.#rates.answerLoss ? 'unanswered' : 'answered';
  }
}
