import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Timer } from '@featuremesh/runtime/timer';
import { importsWatermark } from '../ingest/applied-names.ts';
import type { ChangeLog } from '../ports/change-log.ts';
import type { OnlineStore } from '../ports/online-store.ts';

/** Longest wait for the log while metrics are asked for; then its gauge says that it is not known. */
const LOG_WITHIN_MS = 500;

/** Name of the data file in an LMDB environment's folder. */
const DATA_FILE = 'data.mdb';

/** What the gauges look at; what is undefined is not there yet. */
export interface ServiceGaugeParts {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly state: () => MeshState;
  readonly store: Pick<OnlineStore, 'watermark'>;
  readonly log: () => Pick<ChangeLog, 'feedEpoch' | 'lastSequence'> | undefined;
  readonly lagMs: (peer: string) => number | null;
  readonly isBehind: () => boolean;
  /** Folders of the embedded store's environments. */
  readonly folders: { readonly online: string; readonly registry: string };
}

/** Sets the gauges of a service process that nobody keeps up to date: sizes, ages, lag and backlog as of now. Never rejects. */
export async function setServiceGauges(parts: ServiceGaugeParts): Promise<void> {
  const { metrics, clock, state, lagMs, isBehind, folders } = parts;
  const { region, regions, policyEpochs, policyConfirmedAtMs } = state();
  for (const { id } of regions) {
    const home = id;
    metrics.gauge('featuremesh_policy_epoch', { home }, policyEpochs[id] ?? 0);
    const confirmedAtMs = id === region ? clock.nowMs() : policyConfirmedAtMs[id];
    const ageMs = confirmedAtMs === undefined ? Number.NaN : Math.max(0, clock.nowMs() - confirmedAtMs);
    metrics.gauge('featuremesh_policy_age_seconds', { home }, ageMs / 1_000);
    if (id === region) continue;
    const lag = lagMs(id);
    metrics.gauge(
      'featuremesh_replication_lag_seconds',
      { peer: id },
      lag === null ? Number.NaN : lag / 1_000,
    );
  }
  metrics.gauge('featuremesh_own_writes_behind', {}, isBehind() ? 1 : 0);
  for (const database of ['online', 'registry'] as const)
    metrics.gauge(
      'featuremesh_store_bytes',
      { database },
      await fileBytes(join(folders[database], DATA_FILE)),
    );
  metrics.gauge('featuremesh_projector_backlog', {}, await backlogOf(parts));
}

async function fileBytes(path: string): Promise<number> {
  try {
    // Blocks in use: the file is sparse.
    return (await stat(path)).blocks * 512;
  } catch {
    return Number.NaN;
  }
}

async function backlogOf({ log, store, timer }: ServiceGaugeParts): Promise<number> {
  const known = log();
  if (known === undefined) return Number.NaN;
  const answered = new AbortController();
  const measured = async (): Promise<number> => {
    const newest = await known.lastSequence({ kind: 'imports' });
    const applied = await store.watermark(importsWatermark(known.feedEpoch));
    return Math.max(0, newest - applied);
  };
  const late = timer.sleep(LOG_WITHIN_MS, answered.signal).then(() => Number.NaN);
  try {
    return await Promise.race([measured().catch(() => Number.NaN), late]);
  } finally {
    answered.abort();
  }
}
