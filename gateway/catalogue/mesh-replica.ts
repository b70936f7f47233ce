import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import { MESH_STATE_RETRY_MS } from '../limits.ts';
import { type MeshView, meshViewOf } from './mesh-view.ts';
import type { SavedStateFile } from './saved-state.ts';

/**
 * Where states come from. Without `after` the current state at once; else a state of another revision as soon as there is one, or
 * undefined (or the same revision) where nothing changed within the wait. Throws on failure.
 */
export type MeshStateSource = (
  after: number | undefined,
  signal: AbortSignal,
) => Promise<MeshState | undefined>;

/** What a replica works with. */
export interface MeshReplicaOptions {
  readonly region: RegionId;
  readonly source: MeshStateSource;
  readonly file: SavedStateFile;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly log: Logger;
}

/**
 * The gateway's copy of its own region's mesh state. It follows by long poll, starts from the saved file, and keeps the last
 * state while the region service is away, with its age.
 */
export class MeshReplica {
  readonly #options: MeshReplicaOptions;
  readonly #stopped = new AbortController();
  readonly #listeners = new Set<(state: MeshState) => void>();
  #view: MeshView | undefined;
  #confirmedAtMs: number | undefined;
  #following = Promise.resolve();
  #reachable = true;

  constructor(options: MeshReplicaOptions) {
    this.#options = options;
    const saved = options.file.load(options.region);
    if (saved === undefined) return;
    this.#view = meshViewOf(saved.state);
    this.#confirmedAtMs = saved.confirmedAtMs;
  }

  /** The current view; undefined until a state was ever known. */
  view(): MeshView | undefined {
    return this.#view;
  }

  /** Milliseconds since the own region service last confirmed the state; undefined where it never has. */
  ageMs(): number | undefined {
    if (this.#confirmedAtMs === undefined) return undefined;
    return Math.max(0, this.#options.clock.nowMs() - this.#confirmedAtMs);
  }

  /** True while the last poll of the own region service succeeded. */
  isFollowing(): boolean {
    return this.#reachable && this.#confirmedAtMs !== undefined;
  }

  /** Calls back with the current state, if any, and after every change. */
  onChange(listener: (state: MeshState) => void): void {
    this.#listeners.add(listener);
    if (this.#view !== undefined) listener(this.#view.state);
  }

  /** Begins to follow; returns at once. */
  start(): void {
    this.#following = this.#follow();
  }

  /** Ends following; resolves when no poll is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    // The saved state's revision may be ahead of a registry that was replaced, so the first poll asks for whatever there is.
    let after: number | undefined;
    while (!signal.aborted) {
      try {
        const state = await this.#options.source(after, signal);
        const isNews = state !== undefined && state.revision !== after;
        after = state?.revision ?? after;
        this.#take(isNews ? state : undefined);
      } catch (error) {
        if (signal.aborted) return;
        if (this.#reachable) this.#options.log.warn({ err: error }, 'region service does not answer');
        this.#reachable = false;
        after = undefined;
        await this.#options.timer.sleep(MESH_STATE_RETRY_MS, signal);
      }
    }
  }

  #take(state: MeshState | undefined): void {
    this.#reachable = true;
    this.#confirmedAtMs = this.#options.clock.nowMs();
    if (state === undefined) return;
    this.#view = meshViewOf(state);
    this.#save(state);
    for (const listener of this.#listeners) listener(state);
  }

  #save(state: MeshState): void {
    try {
      this.#options.file.save({ state, confirmedAtMs: this.#confirmedAtMs ?? 0 });
    } catch (error) {
      this.#options.log.warn({ err: error }, 'mesh state was not saved');
    }
  }
}
