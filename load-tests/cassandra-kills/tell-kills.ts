import { type Kill, type KillOutcome, type KillReport, runKills } from './kill-run.ts';

const MAX_TOLD = 30;
/** One round, in this order. */
const ROUND: readonly Kill[] = [
  'a node of the local data centre',
  'the other data centre',
  'the local data centre',
];
/** Third number of the nodes' addresses: apart from those of the demo and of tests. */
const NETWORK = 11;

/** Runs every kind of kill so many times and prints what came of it; true where nothing acknowledged was lost. */
export async function tellKills(options: {
  readonly seed: string;
  readonly dataDir: string;
  readonly portBase: number;
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}): Promise<boolean> {
  const { say, dataDir, seed, rounds } = options;
  const report = await runKills({ ...options, network: NETWORK, hints: true, kills: ROUND });
  for (const kill of ROUND)
    say(
      summary(
        kill,
        report.outcomes.filter(outcome => outcome.kill === kill),
      ),
    );
  tellCounts(report, say);
  say(
    `${String(report.repairedRows).padStart(7)}  rows that only a repair by reading brought to the other data centre`,
  );
  if (report.caughtUpMs !== undefined)
    say(
      `${String(Math.round(report.caughtUpMs)).padStart(7)}  ms at the most from the last node's return until both data centres held the same bytes`,
    );
  for (const line of report.broken.slice(0, MAX_TOLD)) say(`  ${line}`);
  if (report.broken.length > 0) {
    say(`${report.broken.length} broken; logs in ${dataDir}`);
    say(`again: npm run nemesis -- --profile cassandra --runs ${rounds} --seed ${seed}`);
    return false;
  }
  say('0 acknowledged rows lost; both data centres hold the same bytes');
  return true;
}

function tellCounts(report: KillReport, say: (line: string) => void): void {
  const { rowsSent, rowsAcknowledged, readsAnswered, readsFailed } = report;
  const share = (part: number, all: number): string => `${((100 * part) / Math.max(1, all)).toFixed(2)} %`;
  const without = rowsSent - rowsAcknowledged;
  say(`${String(rowsSent).padStart(7)}  rows sent`);
  say(
    `${String(rowsAcknowledged).padStart(7)}  rows acknowledged (${share(without, rowsSent)} without a good answer)`,
  );
  const asked = readsAnswered + readsFailed;
  say(
    `${String(readsAnswered).padStart(7)}  reads answered (${share(readsFailed, asked)} without a good answer)`,
  );
}

function summary(kill: Kill, outcomes: readonly KillOutcome[]): string {
  const told = (of: (outcome: KillOutcome) => number): string => {
    const sorted = outcomes.map(of).toSorted((a, b) => a - b);
    return `${sorted[Math.floor(sorted.length / 2)] ?? 0} / ${sorted.at(-1) ?? 0} ms`;
  };
  const sum = (of: (outcome: KillOutcome) => number): number =>
    outcomes.reduce((all, one) => all + of(one), 0);
  return [
    `${String(outcomes.length).padStart(7)}  times ${kill} killed, median / longest: both went on within ${told(one => one.wentOnMs)}`,
    `no read for ${told(one => one.readsStalledMs)}`,
    `no write for ${told(one => one.writesStalledMs)}`,
    `back after ${told(one => one.backMs)}`,
    `without a good answer ${sum(one => one.readsFailed)} reads, ${sum(one => one.rowsUnanswered)} rows`,
  ].join('; ');
}
