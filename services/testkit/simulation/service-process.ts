import type { PurgePatience } from '@featuremesh/domain/retention';
import { INGEST_LIMITS } from '@featuremesh/feature-store/ingest/ingest-limits';
import { IngestService } from '@featuremesh/feature-store/ingest/ingest-service';
import { LagTracker } from '@featuremesh/feature-store/ingest/lag-tracker';
import { Projector } from '@featuremesh/feature-store/ingest/projector';
import { RetentionSweeper, type SweepPace } from '@featuremesh/feature-store/ingest/retention-sweeper';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { Publisher } from '@featuremesh/feature-store/registry/publisher';
import { StateWaiter } from '@featuremesh/feature-store/registry/state-waiter';
import { TableKeeper } from '@featuremesh/feature-store/registry/table-keeper';
import { CurrentView } from '@featuremesh/feature-store/serving/state-view';
import { TicketReader } from '@featuremesh/feature-store/serving/ticket-reader';
import { MemoryOnlineStore } from '../memory/memory-online-store.ts';
import { MemoryRegistry } from '../memory/memory-registry.ts';
import { BrokerCalls } from './broker-calls.ts';
import { SimulatedChangeLog } from './feed-stream.ts';
import type { ProcessParts } from './process-parts.ts';
import { ProcessTime } from './process-time.ts';
import { NO_METRICS, simulatedLogger } from './quiet.ts';
import { simulatedOnlineStore } from './simulated-online-store.ts';

/** Processes of a simulated region share one clock, so that little patience is enough; deletions stay longer, as they do really. */
const PATIENCE: PurgePatience = { valuesMs: 300, deletionsMs: 5_000 };

/** Quick, since runs last seconds; pages are smaller than tables, so that sweeps are interrupted. */
const SWEEP_PACE: SweepPace = { checkMs: 250, leastMs: 500, pageRows: 4, pauseMs: 20 };

/** One service process of a region: the real write path, projector, table keeper and ticket reader over simulated disks and time. */
export class ServiceProcess {
  readonly slot: number;
  readonly time: ProcessTime;
  readonly registry: MemoryRegistry;
  readonly store: OnlineStore & StampBounds;
  readonly tables: TableKeeper;
  readonly ingest: IngestService;
  readonly waiter: StateWaiter;
  readonly publisher: Publisher;
  readonly lag: LagTracker;
  readonly write: IngestService['write'];
  readonly read: TicketReader['read'];
  readonly #projector: Projector;
  readonly #sweeper: RetentionSweeper;
  readonly #deathListeners = new Set<() => void>();
  #ready = false;

  constructor(parts: ProcessParts, slot: number) {
    const { scheduler, disk, peers, random, hooks, observers } = parts;
    this.slot = slot;
    this.time = new ProcessTime(scheduler, () => disk.skewMs);
    const { time } = this;
    const clockAndTimer = { clock: time, timer: time };
    const logger = simulatedLogger(`${disk.id}/service-${slot}`, observers.log);
    this.registry = new MemoryRegistry({
      roster: { self: disk.info, peers },
      clock: time,
      disk: disk.registry,
    });
    const wire = { scheduler, time, faults: disk.faults };
    this.store = simulatedOnlineStore(
      watched(parts, new MemoryOnlineStore({ state: disk.store })),
      new BrokerCalls({ ...wire, server: disk.storeServer }),
    );
    this.tables = new TableKeeper({ registry: this.registry, store: this.store, logger, ...clockAndTimer });
    const log = new SimulatedChangeLog({
      feed: disk.feed,
      time,
      calls: new BrokerCalls({ ...wire, server: disk.broker }),
      nowMs: () => scheduler.nowMs(),
    });
    const { registry, store, tables } = this;
    this.lag = new LagTracker({ log, store, logger, ...clockAndTimer });
    this.publisher = new Publisher({ registry, clock: time });
    this.waiter = new StateWaiter({ registry, timer: time, signal: new AbortController().signal });
    const common = { registry, tables, store, log, slot, region: disk.id, logger, metrics: NO_METRICS };
    this.#projector = new Projector({ ...common, random, ...clockAndTimer });
    this.#sweeper = new RetentionSweeper({
      ...{ ...common, random, ...clockAndTimer },
      patience: hooks.patience ?? PATIENCE,
      pace: SWEEP_PACE,
    });
    this.ingest = new IngestService({ ...common, random, limits: INGEST_LIMITS, ...clockAndTimer });
    const write: IngestService['write'] = command => this.ingest.write(command);
    this.write = hooks.writes?.(write) ?? write;
    const view = new CurrentView(() => this.registry.state());
    const tickets = new TicketReader({
      view,
      store,
      tableFor: (groupId, version) => tables.tableFor(groupId, version),
      lagMs: peerIds => this.#longestLag(peerIds),
      ...clockAndTimer,
      refresh: () => this.registry.entries(),
    });
    const read: TicketReader['read'] = (ticket, caller) => tickets.read(ticket, caller);
    this.read = hooks.reads?.(read) ?? read;
  }

  /** True once requests are taken. */
  get ready(): boolean {
    return this.#ready && this.time.alive;
  }

  /** Starts in the order of the real process. A start that fails ends the process, as a supervisor would see it. */
  async start(): Promise<void> {
    await this.tables.start();
    this.lag.start();
    this.#projector.start();
    this.#sweeper.start();
    this.#ready = true;
    await this.ingest.start();
  }

  /** `kill -9`. */
  kill(): void {
    this.time.kill();
    void this.registry.close();
    for (const listener of [...this.#deathListeners]) listener();
    this.#deathListeners.clear();
  }

  /** Called once when the process is killed; the result cancels. */
  onDeath(listener: () => void): () => void {
    this.#deathListeners.add(listener);
    return () => this.#deathListeners.delete(listener);
  }

  #longestLag(peers: readonly string[]): number | null {
    let longest = 0;
    for (const peer of peers) {
      const lagMs = this.lag.lagMs(peer);
      if (lagMs === null) return null;
      longest = Math.max(longest, lagMs);
    }
    return longest;
  }
}

function watched(
  { hooks, disk, observers }: ProcessParts,
  memory: MemoryOnlineStore,
): OnlineStore & StampBounds {
  const store = hooks.store?.(memory, disk) ?? memory;
  const { onApplied } = observers;
  if (onApplied === undefined) return store;
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const bound = member.bind(target) as (...given: unknown[]) => unknown;
      if (name !== 'apply') return bound;
      return (...given: unknown[]) => {
        const outcome = bound(...given);
        onApplied(disk);
        return outcome;
      };
    },
  });
}
