import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import type { RegionId } from '@featuremesh/domain/region-id';
import { CURSOR_TOKEN } from '@featuremesh/domain/subjects';
import type { HeldBatch } from '@featuremesh/sync/ports/feed';
import { MemoryOnlineState } from '../memory/memory-online-store.ts';
import { MemoryRegistryDisk } from '../memory/memory-registry.ts';
import type { ServerState } from './broker-calls.ts';
import { DurableStream } from './durable-stream.ts';
import type { SimulatedFaults } from './faults.ts';
import type { FeedRecord, RegionFeed } from './feed-stream.ts';
import type { LinkStreams } from './link-streams.ts';

/** What of a region outlives its processes: log, held batches, store, registry, and its end of every outgoing link. */
export interface RegionDisk {
  readonly info: RegionInfo;
  readonly id: RegionId;
  readonly feed: RegionFeed;
  readonly held: DurableStream<HeldBatch>;
  readonly store: MemoryOnlineState;
  readonly registry: MemoryRegistryDisk;
  /** By peer. */
  readonly links: Map<string, LinkStreams>;
  readonly broker: ServerState;
  readonly storeServer: ServerState;
  readonly faults: SimulatedFaults;
  /** Added to true time by every clock of the region, ms. */
  skewMs: number;
}

/** An empty region: nothing is permitted in FEED until its sync agent says so. */
export function emptyDisk(info: RegionInfo, faults: SimulatedFaults, feedEpoch: string): RegionDisk {
  const stream = new DurableStream<FeedRecord>();
  stream.permitted = subject => subject === `FEED.${CURSOR_TOKEN}.0.none`;
  return {
    info,
    id: info.id,
    feed: { stream, feedEpoch, progressListeners: new Set() },
    held: new DurableStream<HeldBatch>(),
    store: new MemoryOnlineState(),
    registry: new MemoryRegistryDisk(),
    links: new Map(),
    broker: { up: true },
    storeServer: { up: true },
    faults,
    skewMs: 0,
  };
}
