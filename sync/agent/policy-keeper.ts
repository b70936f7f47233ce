import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import { type CompiledPolicy, compilePolicy } from '../policy-compiler/compile.ts';
import type { Broker } from '../ports/broker.ts';
import type { RegionService } from '../ports/region-service.ts';

/** A policy's effective date comes into force within this, and a call that failed is made again after it. */
const TICK_MS = 1_000;
/** Longest wait of one question for news of the mesh state. */
const STATE_WAIT_MS = 20_000;
/** Pause after a question that failed: the service is starting or restarting. */
const STATE_PAUSE_MS = 250;

/** What a policy keeper works with. */
export interface PolicyKeeperParts {
  readonly service: Pick<RegionService, 'meshState' | 'enforced'>;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly logger: Logger;
  /** Called with the result of every attempt: in force, or why not. */
  readonly onOutcome: (outcome: PolicyOutcome) => void;
}

/** How the last attempt ended. */
export type PolicyOutcome =
  | { readonly kind: 'enforced'; readonly revision: number; readonly hash: string }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * Keeps the broker at the policy of the newest mesh state: compiles at every change and once a second (dates pass without news),
 * enforces what differs, and reports what is in force. A failure is tried again until it succeeds; the last policy stays meanwhile.
 */
export class PolicyKeeper {
  readonly #parts: PolicyKeeperParts;
  readonly #news: (() => void)[] = [];
  #state: MeshState;
  #compiled: CompiledPolicy;
  #enforcedHash = '';
  #reportedRevision = -1;

  constructor(parts: PolicyKeeperParts, emptyState: MeshState) {
    this.#parts = parts;
    this.#state = emptyState;
    this.#compiled = compilePolicy(emptyState, parts.clock.nowMs());
  }

  /** What exporters and importers go by. A tightening counts from the moment it is known, a loosening once it is enforced. */
  policy(): CompiledPolicy {
    return this.#compiled;
  }

  /** Follows the mesh state and keeps the broker at it until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#follow(signal), this.#keep(signal)]);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { service, timer, logger } = this.#parts;
    let waited = 0;
    while (!signal.aborted) {
      try {
        // A service that was away may have come back with other peers configured: that is no revision of its registry.
        const after = waited === 0 ? this.#state.revision : 0;
        const state = await service.meshState(after, STATE_WAIT_MS);
        const isNews = waited > 0 || state.revision !== this.#state.revision;
        waited = 0;
        this.#state = state;
        if (isNews) for (const wake of this.#news.splice(0)) wake();
      } catch (error) {
        if (waited++ === 0) logger.info({ err: error }, 'waiting for the region service');
        await timer.sleep(STATE_PAUSE_MS, signal);
      }
    }
  }

  async #keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#state.revision > 0) await this.#attempt();
      const woken = new AbortController();
      this.#news.push(() => woken.abort());
      await this.#parts.timer.sleep(TICK_MS, AbortSignal.any([signal, woken.signal]));
    }
  }

  async #attempt(): Promise<void> {
    const { service, broker, clock, logger, onOutcome } = this.#parts;
    const next = compilePolicy(this.#state, clock.nowMs());
    if (next.hash === this.#enforcedHash && next.revision === this.#reportedRevision) return;
    try {
      // The engines go by the new rules at once: what they would ship too much, the broker refuses until it is enforced.
      this.#compiled = next;
      if (next.hash !== this.#enforcedHash) {
        await broker.enforce(next);
        this.#enforcedHash = next.hash;
        logger.info({ revision: next.revision, hash: next.hash }, 'policy is in force');
      }
      await service.enforced({ revision: next.revision, hash: next.hash });
      this.#reportedRevision = next.revision;
      onOutcome({ kind: 'enforced', revision: next.revision, hash: next.hash });
    } catch (error) {
      logger.warn({ err: error, revision: next.revision }, 'policy could not be brought into force');
      onOutcome({
        kind: 'failed',
        reason: error instanceof Error ? `${error.name}: ${error.message}` : 'unknown',
      });
    }
  }
}
