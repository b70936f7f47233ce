import type { SimulatedFaults } from './faults.ts';
import type { ProcessTime } from './process-time.ts';
import type { Scheduler } from './scheduler.ts';

/** After this long without an answer the sender of an append gives it up. */
const ANSWER_TIMEOUT_MS = 800;

/** Whether a server of a region answers; the storm switches it. */
export interface ServerState {
  up: boolean;
}

/** A simulated server did not answer. */
export class ServerAway extends Error {
  constructor() {
    super('the simulated server does not answer');
    this.name = 'ServerAway';
  }
}

/** What a connection works with. */
export interface BrokerCallParts {
  readonly scheduler: Scheduler;
  readonly time: ProcessTime;
  readonly server: ServerState;
  readonly faults: SimulatedFaults;
}

/**
 * One connection of a process to a server of its region: calls arrive in the order in which they were made, take effect even where the
 * process dies meanwhile, and are never answered to a dead process.
 */
export class BrokerCalls {
  readonly #parts: BrokerCallParts;
  #lastArrivalMs = 0;

  constructor(parts: BrokerCallParts) {
    this.#parts = parts;
  }

  /** Runs `effect` at the server; rejects with ServerAway where it is down, and with what the effect throws. */
  ask<T>(effect: () => T): Promise<T> {
    const { scheduler, time, server, faults } = this.#parts;
    return new Promise((resolve, reject) => {
      if (!time.alive) return;
      scheduler.after(this.#delayMs(), () => {
        let answer: () => void;
        try {
          if (!server.up) throw new ServerAway();
          const value = effect();
          answer = () => resolve(value);
        } catch (error) {
          answer = () => reject(error);
        }
        scheduler.after(faults.localDelayMs(), () => {
          if (time.alive) answer();
        });
      });
    });
  }

  /** An append, of which the call or its answer may be lost: then it ends as `unknown` and may have been stored, or be stored later. */
  append<T>(effect: () => T, unknown: T): Promise<T> {
    const { scheduler, time, server, faults } = this.#parts;
    return new Promise(resolve => {
      if (!time.alive) return;
      const fate = faults.appendFate();
      const answer = (delayMs: number, value: T): void => {
        scheduler.after(delayMs, () => {
          if (time.alive) resolve(value);
        });
      };
      if (fate !== 'answered') answer(ANSWER_TIMEOUT_MS, unknown);
      if (fate === 'lost') return;
      scheduler.after(fate === 'late' ? faults.lateMs() : this.#delayMs(), () => {
        if (!server.up) {
          if (fate === 'answered') answer(ANSWER_TIMEOUT_MS, unknown);
          return;
        }
        const value = effect();
        if (fate === 'answered') answer(faults.localDelayMs(), value);
      });
    });
  }

  #delayMs(): number {
    const nowMs = this.#parts.scheduler.nowMs();
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + this.#parts.faults.localDelayMs());
    return this.#lastArrivalMs - nowMs;
  }
}
