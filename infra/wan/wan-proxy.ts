import { ProblemError, problem } from '@featuremesh/domain/problem';
import { ByteBudget } from './byte-budget.ts';
import type { WanTools } from './delayed-pipe.ts';
import { MAX_TOTAL_BYTES } from './limits.ts';
import { type OnBytes, PathProxy } from './path-proxy.ts';
import { isMeant, type PathConditions, type PathState, type WanPath, type WhichPaths } from './wan-path.ts';

/** A path and its conditions at the start. */
export type ConditionedPath = WanPath & { readonly conditions: PathConditions };

/** What a proxy works with. */
export interface WanProxyOptions {
  readonly paths: readonly ConditionedPath[];
  readonly tools: WanTools;
  /** Sees every byte that enters a path, as sent: nothing on a link is encrypted before it. */
  readonly onBytes?: OnBytes;
}

/**
 * The network between regions on one machine: a TCP proxy with one listening port per path, whose delay, jitter, cap and faults
 * are changed while it runs. A selection that fits no path is refused with INVALID_REQUEST.
 */
export class WanProxy {
  readonly #paths: readonly PathProxy[];

  constructor({ paths, tools, onBytes }: WanProxyOptions) {
    const budget = new ByteBudget(MAX_TOTAL_BYTES);
    this.#paths = paths.map(
      ({ conditions, ...path }) => new PathProxy({ path, conditions, tools, budget, onBytes }),
    );
  }

  /** Listens on all ports; PORT_IN_USE names one that is taken, and then none is held. */
  async start(): Promise<void> {
    try {
      await Promise.all(this.#paths.map(path => path.listen()));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Resets all connections and lets go of all ports. */
  stop(): void {
    for (const path of this.#paths) path.close();
  }

  /** Changes delay, jitter or cap of the paths meant. */
  set(which: WhichPaths, conditions: Partial<PathConditions>): void {
    for (const path of this.#meant(which)) path.set(conditions);
  }

  /** Resets the connections of the paths meant and refuses new ones. */
  cut(which: WhichPaths = {}): void {
    for (const path of this.#meant(which)) path.cut();
  }

  /** Lets everything on the paths meant vanish; connections stay open. */
  async blackHole(which: WhichPaths = {}): Promise<void> {
    await Promise.all(this.#meant(which).map(path => path.blackHole()));
  }

  /** Ends cuts and black holes of the paths meant; delay, jitter and cap stay. */
  async heal(which: WhichPaths = {}): Promise<void> {
    await Promise.all(this.#meant(which).map(path => path.heal()));
  }

  /** State of the paths meant, in the order in which they were given. */
  states(which: WhichPaths = {}): readonly PathState[] {
    return this.#meant(which).map(path => path.state());
  }

  #meant(which: WhichPaths): readonly PathProxy[] {
    const meant = this.#paths.filter(({ path }) => isMeant(path, which));
    if (meant.length > 0 || this.#paths.length === 0) return meant;
    const regions = [...new Set(this.#paths.map(({ path }) => path.from))].join(', ');
    throw new ProblemError(
      problem('INVALID_REQUEST', `no path fits ${JSON.stringify(which)}; the regions are ${regions}`),
    );
  }
}
