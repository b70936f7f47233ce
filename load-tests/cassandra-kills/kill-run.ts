import { join } from 'node:path';
import { type SeededRandom, seededRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import type { MeshRegion } from '../mesh/mesh-regions.ts';
import { audit } from '../nemesis/audit.ts';
import { countingClient } from '../nemesis/counting-client.ts';
import { Ledger } from '../nemesis/ledger.ts';
import { caughtUp } from './caught-up.ts';
import { countingReader, type ReadCounts } from './counting-reader.ts';
import { StallWatch } from './stall-watch.ts';
import { type StartedRegion, startRegion } from './started-region.ts';

/** What is killed with -9 while rows are written and read. */
export const KILLS = {
  'a node of the local data centre': (random: SeededRandom) => [random.int(3)],
  'a node of the local data centre and the other data centre': (random: SeededRandom) => [random.int(3), 3],
  'the other data centre': () => [3],
  'the local data centre': () => [0, 1, 2],
} as const;
/** One of those. */
export type Kill = keyof typeof KILLS;

const WRITERS = 2;
const READERS = 2;
const WRITER_PAUSE_MS = 50;
/** Reads and acknowledged writes that must come after a kill, before the nodes are started again. */
const MUST_GO_ON = 25;
const GO_ON_WITHIN_MS = 60_000;
const WARM_UP = 10;
const POLL_MS = 50;
const AUDIT_WITHIN_MS = 120_000;
/** The service tries again to connect every few seconds. */
const BACK_WITHIN_MS = 60_000;

/** What a run is to do. */
export interface KillOptions {
  readonly seed: string;
  readonly dataDir: string;
  readonly portBase: number;
  readonly network: number;
  /** False: nodes keep nothing for those that are away. */
  readonly hints: boolean;
  /** In this order, one after the other, each as often as `rounds` says. */
  readonly kills: readonly Kill[];
  readonly rounds: number;
  /** Ends the run after the kill that is under way; what was written until then is looked for all the same. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** What happened after one kill. */
export interface KillOutcome {
  readonly kill: Kill;
  /** Until so many reads and acknowledged writes had come that both had gone on. */
  readonly wentOnMs: number;
  /** Longest time without one good answer to a read, from the kill until all nodes were back. */
  readonly readsStalledMs: number;
  /** The same for acknowledged writes. */
  readonly writesStalledMs: number;
  /** From the start of the nodes until the region called all of them back. */
  readonly backMs: number;
  readonly readsFailed: number;
  readonly rowsUnanswered: number;
}

/** What came of a run; `broken` is empty where nothing acknowledged is lost and the data centres are byte-identical. */
export interface KillReport {
  readonly outcomes: readonly KillOutcome[];
  readonly rowsSent: number;
  readonly rowsAcknowledged: number;
  readonly readsAnswered: number;
  readonly readsFailed: number;
  /** Rows that only a read at ALL brought to the other data centre; then it is broken. */
  readonly repairedRows: number;
  /** From the last node's return until both data centres held the same bytes, the reading of all rows included; undefined where some were repaired. */
  readonly caughtUpMs: number | undefined;
  readonly broken: readonly string[];
}

/** A region on 3 + 1 nodes is written and read while nodes are killed; then every acknowledged row of the clients' own log is looked for. */
export async function runKills(options: KillOptions): Promise<KillReport> {
  const { seed, dataDir, say } = options;
  const random = seededRandom(seed);
  const started = await startRegion(options);
  try {
    const ledger = new Ledger();
    const over = new AbortController();
    const reads: ReadCounts = { answered: 0, failed: 0 };
    const stalls = new StallWatch(systemTimer, {
      reads: () => reads.answered,
      writes: () => ledger.acknowledged,
    });
    const watch: Watch = { ledger, reads, stalls, rowsUnanswered: 0, returnedMs: performance.now() };
    const clients = Array.from({ length: WRITERS }, (_, ordinal) =>
      countingClient(started.region, {
        ordinal,
        ledger,
        logFile: join(dataDir, `client-${ordinal}.jsonl`),
        random: random.stream(`writer ${ordinal}`),
        timer: systemTimer,
        signal: over.signal,
        pauseMs: WRITER_PAUSE_MS,
        onUnanswered: rows => {
          watch.rowsUnanswered += rows;
        },
      }),
    );
    const readers = Array.from({ length: READERS }, (_, ordinal) =>
      countingReader(started.region, {
        ...{ ledger, reads, timer: systemTimer, signal: over.signal },
        random: random.stream(`reader ${ordinal}`),
      }),
    );
    const outcomes: KillOutcome[] = [];
    const broken: string[] = [];
    let backAtMs = performance.now();
    try {
      await goesOn(watch, WARM_UP);
      for (let round = 0; round < options.rounds; round++) {
        for (const kill of options.kills) {
          if (options.signal.aborted) break;
          outcomes.push(await killed({ kill, started, watch, random, say, broken }));
          backAtMs = watch.returnedMs;
        }
      }
    } finally {
      stalls.stop();
      over.abort();
      await Promise.all([...clients, ...readers]);
    }
    say(`quiet; ${ledger.acknowledged} of ${ledger.sent} rows were acknowledged; reading them`);
    const { faults } = await audit([started.region], ledger, {
      withinMs: AUDIT_WITHIN_MS,
      timer: systemTimer,
    });
    const both = await caughtUp(started, systemTimer);
    return {
      outcomes,
      rowsSent: ledger.sent,
      rowsAcknowledged: ledger.acknowledged,
      readsAnswered: reads.answered,
      readsFailed: reads.failed,
      repairedRows: both.repairedRows,
      caughtUpMs: both.tookMs === undefined ? undefined : performance.now() - backAtMs,
      broken: [...broken, ...faults, ...both.differing],
    };
  } finally {
    await started.stop();
  }
}

interface Watch {
  readonly ledger: Ledger;
  readonly reads: ReadCounts;
  readonly stalls: StallWatch;
  rowsUnanswered: number;
  /** When the nodes killed last answered again. */
  returnedMs: number;
}

async function killed(input: {
  readonly kill: Kill;
  readonly started: StartedRegion;
  readonly watch: Watch;
  readonly random: SeededRandom;
  readonly say: (line: string) => void;
  readonly broken: string[];
}): Promise<KillOutcome> {
  const { kill, started, watch, say } = input;
  const { reads } = watch;
  const nodes = KILLS[kill](input.random);
  const before = { failed: reads.failed, rows: watch.rowsUnanswered };
  watch.stalls.take();
  const killedMs = performance.now();
  await Promise.all(nodes.map(index => started.cluster.killNode(index)));
  const wentOn = await goesOn(watch, MUST_GO_ON);
  const wentOnMs = performance.now() - killedMs;
  if (!wentOn) input.broken.push(`with ${kill} killed, reads and writes did not go on`);
  const startedMs = performance.now();
  if (!(await restart(started, watch)))
    input.broken.push(`after ${kill} was killed, the region did not see it back`);
  const { readsMs, writesMs } = watch.stalls.take();
  const outcome = {
    kill,
    wentOnMs: Math.round(wentOnMs),
    readsStalledMs: readsMs,
    writesStalledMs: writesMs,
    backMs: Math.round(performance.now() - startedMs),
    readsFailed: reads.failed - before.failed,
    rowsUnanswered: watch.rowsUnanswered - before.rows,
  };
  say(
    `killed ${kill}: both went on within ${outcome.wentOnMs} ms; until all were back ${outcome.backMs} ms later no read was answered for ${readsMs} ms, no write for ${writesMs} ms, at the longest; ${outcome.readsFailed} reads and ${outcome.rowsUnanswered} rows had no good answer`,
  );
  return outcome;
}

/** Side by side; back is who the region's own service calls back. */
async function restart({ cluster, region }: StartedRegion, watch: Watch): Promise<boolean> {
  const away = cluster.nodes.filter(({ index }) => !cluster.isRunning(index));
  await Promise.all(away.map(({ index }) => cluster.startNode(index)));
  watch.returnedMs = performance.now();
  const deadlineMs = watch.returnedMs + BACK_WITHIN_MS;
  while ((await nodesAway(region)) !== 0) {
    if (performance.now() > deadlineMs) return false;
    await systemTimer.sleep(POLL_MS);
  }
  return true;
}

async function nodesAway({ url }: MeshRegion): Promise<number | undefined> {
  const answer = await request(`${url}/metrics`);
  const line = /^featuremesh_store_nodes_away\S* (\d+)$/m.exec(await answer.body.text());
  return line === null ? undefined : Number(line[1]);
}

/** True when so many further reads were answered and so many rows acknowledged; false where that takes too long. */
async function goesOn({ ledger, reads }: Watch, count: number): Promise<boolean> {
  const wanted = { acknowledged: ledger.acknowledged + count, answered: reads.answered + count };
  const deadlineMs = performance.now() + GO_ON_WITHIN_MS;
  while (ledger.acknowledged < wanted.acknowledged || reads.answered < wanted.answered) {
    if (performance.now() > deadlineMs) return false;
    await systemTimer.sleep(POLL_MS);
  }
  return true;
}
