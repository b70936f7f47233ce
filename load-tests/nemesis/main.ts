import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { tellKills } from '../cassandra-kills/tell-kills.ts';
import { runNemesis } from './nemesis.ts';

const MAX_TOLD = 30;
const usage = `npm run nemesis -- [options]

Starts a mesh of its own, writes into every region and counts, while processes are killed with -9 or stand still, clocks are an hour
wrong, links are cut or swallow everything, and supervisors are killed and run again (runs of a minute and more). At the end every acknowledged
row must be in every region, all regions must agree, and values of a pinned group must stand nowhere but in their home region.

  --minutes N      how long faults go on (5)
  --seed TEXT      the same seed gives the same faults (default: the time)
  --regions N      regions of the mesh (3)
  --data-dir DIR   keeps the mesh and the clients' logs there (default: a temporary folder, kept where something is broken)
  --wan demo|off   whether there is a network between the regions to cut (demo)
  --port-base N    first port of the mesh (7800)

npm run nemesis -- --profile full [the same options]

The same for a mesh on Cassandra, two data centres in each region: their nodes are killed besides, and at the end both hold the same bytes.

npm run nemesis -- --profile cassandra [--runs N] [--seed TEXT] [--data-dir DIR] [--port-base N]

The same for the store: one region on a Cassandra cluster of 3 + 1 nodes in two data centres. A node, the other data centre and the whole
local one are killed with -9 in turn, N times (1), while rows are written and read.`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    regions: { type: 'string' },
    'data-dir': { type: 'string' },
    'port-base': { type: 'string' },
    wan: { type: 'string' },
    profile: { type: 'string', default: 'embedded' },
    runs: { type: 'string', default: '1' },
    help: { type: 'boolean' },
  },
});
const stopping = new AbortController();
process.on('SIGINT', () => stopping.abort());
process.on('SIGTERM', () => stopping.abort());
process.exitCode = await main();

async function main(): Promise<number> {
  const minutes = Number(values.minutes ?? 5);
  const regions = Number(values.regions ?? 3);
  const portBase = Number(values['port-base'] ?? 7_800);
  const seed = values.seed ?? String(Date.now());
  const known =
    ['demo', 'off', undefined].includes(values.wan) &&
    minutes > 0 &&
    Number.isInteger(regions) &&
    regions >= 1 &&
    Number.isInteger(portBase) &&
    ['embedded', 'full', 'cassandra'].includes(values.profile) &&
    Number(values.runs) >= 1;
  if (values.help === true || !known) {
    say(usage);
    return values.help === true ? 0 : 2;
  }
  const given = values['data-dir'];
  const dataDir = given === undefined ? mkdtempSync(join(tmpdir(), 'fm-nemesis-')) : resolve(given);
  const { signal } = stopping;
  if (values.profile === 'cassandra') {
    const isWhole = await tellKills({ seed, dataDir, portBase, rounds: Number(values.runs), signal, say });
    if (isWhole && given === undefined) rmSync(dataDir, { recursive: true, force: true });
    return isWhole ? 0 : 1;
  }
  const report = await runNemesis({
    seed,
    lastsMs: minutes * 60_000,
    regions,
    dataDir,
    portBase,
    profile: values.profile === 'full' ? 'full' : 'embedded',
    wan: values.wan === 'off' ? 'off' : 'demo',
    signal,
    say,
  });
  for (const [fault, count] of Object.entries(report.faults)) say(`${String(count).padStart(7)}  ${fault}`);
  say(`${String(report.rowsSent).padStart(7)}  rows sent`);
  say(`${String(report.rowsAcknowledged).padStart(7)}  rows acknowledged`);
  say(`${String(report.requestsUnanswered).padStart(7)}  requests without a good answer`);
  if (values.profile === 'full')
    say(
      `${String(report.repairedRows).padStart(7)}  rows that only a repair by reading brought to a data centre`,
    );
  for (const line of report.broken.slice(0, MAX_TOLD)) say(`  ${line}`);
  if (report.broken.length > 0) {
    say(`${report.broken.length} broken; logs in ${dataDir}`);
    say(
      `again: npm run nemesis -- --minutes ${minutes} --seed ${seed} --regions ${regions} --profile ${values.profile}`,
    );
    return 1;
  }
  say(`0 acknowledged rows lost; all regions agreed after ${Math.round(report.convergedMs ?? 0)} ms`);
  if (given === undefined) rmSync(dataDir, { recursive: true, force: true });
  return 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
