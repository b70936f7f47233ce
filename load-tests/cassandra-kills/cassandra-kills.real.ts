import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortBase } from '@featuremesh/cli/testing/fmesh-process';
import { expect, test } from 'vitest';
import { runKills } from './kill-run.ts';

test('S5: with a node of the local data centre and the other one killed in the middle of reads and writes both go on, nothing acknowledged is lost, and from the log alone those that return are brought what they missed', {
  timeout: 300_000,
}, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fm kills '));
  const lines: string[] = [];
  const report = await runKills({
    seed: process.env['FEATUREMESH_NEMESIS_SEED'] ?? 'bounded',
    dataDir,
    portBase: await freePortBase(30),
    network: 10,
    // What a node kept for others is lost with it: here none keeps anything.
    hints: false,
    // The whole local data centre: the long form, by the command.
    kills: ['a node of the local data centre and the other data centre'],
    rounds: 1,
    signal: new AbortController().signal,
    say: line => lines.push(line),
  });
  expect(report.broken, lines.join('\n')).toEqual([]);
  expect(report.outcomes).toHaveLength(1);
  expect(report.rowsAcknowledged).toBeGreaterThan(100);
  expect(report.readsAnswered).toBeGreaterThan(50);
  rmSync(dataDir, { recursive: true, force: true });
});
