import { KILLS, type Kill, type KillOutcome, runKills } from './kill-run.ts';

const MAX_TOLD = 30;
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
  const kills = Object.keys(KILLS) as Kill[];
  const report = await runKills({ ...options, network: NETWORK, kills });
  for (const kill of kills)
    say(
      summary(
        kill,
        report.outcomes.filter(outcome => outcome.kill === kill),
      ),
    );
  say(`${String(report.rowsSent).padStart(7)}  rows sent`);
  say(`${String(report.rowsAcknowledged).padStart(7)}  rows acknowledged`);
  say(`${String(report.readsAnswered).padStart(7)}  reads answered`);
  say(
    `${String(report.repairedRows).padStart(7)}  rows that hints did not bring to the other data centre, repaired by reading`,
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

function summary(kill: Kill, outcomes: readonly KillOutcome[]): string {
  const most = (of: (outcome: KillOutcome) => number): number => Math.max(0, ...outcomes.map(of));
  const sum = (of: (outcome: KillOutcome) => number): number =>
    outcomes.reduce((all, one) => all + of(one), 0);
  return `${String(outcomes.length).padStart(7)}  times ${kill} killed: went on within ${most(one => one.wentOnMs)} ms at the most; without a good answer ${sum(one => one.readsFailed)} reads, ${sum(one => one.writesFailed)} rows`;
}
