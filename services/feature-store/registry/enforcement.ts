import type { Clock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Registry } from '../ports/registry.ts';

/** Longest wait for the sync agent: a broker reload takes well below a second, a restart of the agent some seconds. */
const ENFORCEMENT_WAIT_MS = 10_000;

/** Pause between looks at the agent's last report. */
const POLL_MS = 25;

/** Waits until the broker enforces a registry revision, as the sync agent reports it to any process of the region. */
export class Enforcement {
  readonly #registry: Pick<Registry, 'reports'>;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #waitMs: number;

  constructor(options: {
    registry: Pick<Registry, 'reports'>;
    clock: Clock;
    timer: Timer;
    waitMs?: number;
  }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#timer = options.timer;
    this.#waitMs = options.waitMs ?? ENFORCEMENT_WAIT_MS;
  }

  /** True once the revision is enforced; false where it was not within the bound. */
  async waitFor(revision: number): Promise<boolean> {
    const untilMs = this.#clock.nowMs() + this.#waitMs;
    while (this.enforcedRevision() < revision) {
      if (this.#clock.nowMs() >= untilMs) return false;
      await this.#timer.sleep(POLL_MS);
    }
    return true;
  }

  /** The last revision reported; 0 where the agent never reported. */
  enforcedRevision(): number {
    return this.#registry.reports().enforced?.revision ?? 0;
  }
}
