import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import type { PurgePatience } from '@featuremesh/domain/retention';
import type { IngestService } from '@featuremesh/feature-store/ingest/ingest-service';
import type { LinkProgress } from '@featuremesh/feature-store/ports/change-log';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import type { TicketReader } from '@featuremesh/feature-store/serving/ticket-reader';
import type { SeededRandom } from '@featuremesh/runtime/random';
import type { CompiledPolicy } from '@featuremesh/sync/policy-compiler/compile';
import type { FeedSink, FeedSource } from '@featuremesh/sync/ports/feed';
import type { LinkIn } from '@featuremesh/sync/ports/link';
import type { LogSink } from './quiet.ts';
import type { RegionDisk } from './region-disk.ts';
import type { Scheduler } from './scheduler.ts';

/** Where a planted defect may stand between a process and what it works with; identity where left out. */
export interface Hooks {
  readonly store?: (store: OnlineStore & StampBounds, disk: RegionDisk) => OnlineStore & StampBounds;
  readonly writes?: (write: IngestService['write']) => IngestService['write'];
  readonly policy?: (policy: CompiledPolicy, disk: RegionDisk) => CompiledPolicy;
  /** What a region tells a peer of its own entries, and all that it has. */
  readonly publication?: (
    told: readonly CatalogueEntry[],
    all: readonly CatalogueEntry[],
  ) => readonly CatalogueEntry[];
  readonly linkIn?: (link: LinkIn, sink: FeedSink, peer: string) => LinkIn;
  readonly feedSink?: (sink: FeedSink) => FeedSink;
  readonly feedSource?: (source: FeedSource) => FeedSource;
  readonly patience?: PurgePatience;
  readonly reads?: (read: TicketReader['read']) => TicketReader['read'];
}

/** What is told of a run to whoever checks it. */
export interface Observers {
  /** An importer reported progress to its region. */
  readonly onProgress?: (region: string, progress: LinkProgress) => void;
  /** A region's store applied a step. */
  readonly onApplied?: (disk: RegionDisk) => void;
  readonly log?: LogSink;
}

/** What every simulated process is made of. */
export interface ProcessParts {
  readonly scheduler: Scheduler;
  readonly disk: RegionDisk;
  readonly peers: readonly RegionInfo[];
  readonly random: SeededRandom;
  readonly hooks: Hooks;
  readonly observers: Observers;
}
