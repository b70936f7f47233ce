import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  freeMeshPortBase,
  patienceMs,
  testProfile,
} from '@featuremesh/infra/local-mesh/testing/test-profile';
import { expect, test } from 'vitest';
import { runNemesis } from './nemesis.ts';

/** Draws every kind of fault within its half minute, network faults among them; once left batches set aside for ever. */
const DRAWS_NETWORK_FAULTS = 'bounded-3';

const SEED = process.env['FEATUREMESH_NEMESIS_SEED'] ?? DRAWS_NETWORK_FAULTS;

test('S1, S5: no acknowledged row is lost and regions agree after kills, freezes, wrong clocks and cut links of a seed', {
  timeout: patienceMs(240_000),
}, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fm nemesis '));
  const lines: string[] = [];
  const report = await runNemesis({
    seed: SEED,
    lastsMs: 30_000,
    regions: 3,
    dataDir,
    portBase: await freeMeshPortBase(),
    profile: testProfile(),
    wan: 'demo',
    signal: new AbortController().signal,
    say: line => lines.push(line),
  });
  expect(report.broken.slice(0, 10), lines.join('\n')).toEqual([]);
  expect(report.rowsAcknowledged).toBeGreaterThan(500);
  expect(Object.keys(report.faults).length).toBeGreaterThanOrEqual(4);
  if (SEED === DRAWS_NETWORK_FAULTS) expect(Object.keys(report.faults).join(' ')).toMatch(/cut|black-hole/);
  rmSync(dataDir, { recursive: true, force: true });
});
