import { join } from 'node:path';
import type { MeshProfile } from '@featuremesh/infra/local-mesh/profile';
import { seededRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { type CaughtUp, caughtUp } from '../cassandra-kills/caught-up.ts';
import { type Mesh, regionOf } from '../mesh/mesh-regions.ts';
import { storeSeenFrom } from '../mesh/mesh-stores.ts';
import { audit } from './audit.ts';
import { countingClient } from './counting-client.ts';
import { doFaults } from './fault-actions.ts';
import { Ledger } from './ledger.ts';
import { pinnedClient, searchPinned } from './pinned-client.ts';
import { faultSchedule } from './schedule.ts';
import { startMesh } from './started-mesh.ts';

/** Where `nemesis_pinned` may be. */
const PINNED_HOME = 'us-east-1';
/** Processes start anew, links connect, snapshots travel. */
const CONVERGED_WITHIN_MS = { embedded: 120_000, full: 240_000 };

/** What a run is to do; `dataDir` keeps the mesh and the clients' logs. */
export interface NemesisOptions {
  readonly seed: string;
  readonly lastsMs: number;
  readonly regions: number;
  readonly dataDir: string;
  readonly portBase: number;
  /** With `full` Cassandra nodes are killed as well, and each region's data centres are compared at the end. */
  readonly profile: MeshProfile;
  readonly wan: 'demo' | 'off';
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** What came of it; `broken` is empty where every acknowledged row is everywhere it may be and nowhere else, and all regions agree. */
export interface NemesisReport {
  readonly faults: Readonly<Record<string, number>>;
  readonly rowsSent: number;
  readonly rowsAcknowledged: number;
  readonly requestsUnanswered: number;
  readonly convergedMs: number | undefined;
  /** Rows that nothing but a repair by reading brought to a data centre, which is broken; 0 without Cassandra. */
  readonly repairedRows: number;
  readonly broken: readonly string[];
}

/** Starts a mesh, writes into every region while processes are killed and links are cut by a seed, then counts. */
export async function runNemesis(options: NemesisOptions): Promise<NemesisReport> {
  const { seed, lastsMs, dataDir, signal, say } = options;
  const random = seededRandom(seed);
  const timer = systemTimer;
  const started = await startMesh({ ...options, timer });
  const { mesh } = started;
  try {
    const ids = mesh.regions.map(({ id }) => id);
    const hasWan = mesh.wan !== undefined;
    const hasStores = options.profile === 'full';
    const faults = faultSchedule(random.stream('faults'), { lastsMs, regions: ids, hasWan, hasStores });
    say(`seed ${seed}: ${faults.length} faults in ${ids.join(', ')}`);
    const ledger = new Ledger();
    const writing = new AbortController();
    const clients = mesh.regions.map((region, ordinal) =>
      countingClient(region, {
        ordinal,
        ledger,
        logFile: join(dataDir, `client-${region.id}.jsonl`),
        random: random.stream(region.id),
        timer,
        signal: AbortSignal.any([writing.signal, signal]),
      }),
    );
    const pinned = pinnedClient(regionOf(mesh, PINNED_HOME), {
      random: random.stream('pinned'),
      timer,
      signal: AbortSignal.any([writing.signal, signal]),
    });
    await doFaults(started, faults, { timer, signal, say }).finally(() => writing.abort());
    const counts = await Promise.all(clients);
    say(`quiet; ${ledger.acknowledged} of ${ledger.sent} rows were acknowledged; reading them everywhere`);
    const { convergedMs, faults: broken } = await audit(mesh.regions, ledger, {
      withinMs: CONVERGED_WITHIN_MS[options.profile],
      timer,
    });
    const both = hasStores ? await dataCentresAgree(mesh) : { repairedRows: 0, differing: [] };
    say('looking for rows that may be in one region alone in every stream, store, file and metric');
    const leaks = await searchPinned(mesh, await pinned);
    return {
      faults: tally(faults.map(fault => (fault.kind === 'kill' ? `kill ${fault.process}` : fault.kind))),
      rowsSent: ledger.sent,
      rowsAcknowledged: ledger.acknowledged,
      requestsUnanswered: counts.reduce((sum, { unanswered }) => sum + unanswered, 0),
      convergedMs,
      repairedRows: both.repairedRows,
      broken: [...broken, ...both.differing, ...leaks],
    };
  } finally {
    await started.stop();
  }
}

/** The data centres of every region come to hold the same bytes. */
async function dataCentresAgree(mesh: Mesh): Promise<Pick<CaughtUp, 'repairedRows' | 'differing'>> {
  const each = await Promise.all(
    mesh.regions.map(region => caughtUp({ region, storeIn: storeSeenFrom(region) }, systemTimer)),
  );
  return {
    repairedRows: each.reduce((sum, { repairedRows }) => sum + repairedRows, 0),
    differing: each.flatMap(({ differing }, at) => differing.map(line => `${mesh.regions[at]?.id}: ${line}`)),
  };
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
