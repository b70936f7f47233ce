import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnMesh } from '../mesh/own-mesh.ts';
import type { Figure } from './figure.ts';
import { rounded } from './http-load.ts';

/** The mesh is ready when this many flights are readable. */
const DEMO_ROWS = 20_000;

/** From `npm start` to mesh.json, everything obtained already: a first start in an empty folder, and a second one on kept data. */
export const startTime: Figure = {
  name: 'start-time',
  about: 'first and second start of a mesh of three regions with demo data, and how long a clean stop takes',
  needsMesh: false,
  maxMeasurements: 60,
  async *run({ say }) {
    const dataDir = mkdtempSync(join(tmpdir(), 'featuremesh-start-'));
    try {
      for (const variant of ['first', 'second']) {
        say(`${variant} start`);
        const { readyS, stop } = await startOwnMesh(dataDir, ['--demo-rows', String(DEMO_ROWS)]);
        yield { variant, values: { readyS: rounded(readyS), stopS: rounded(await stop()) } };
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};
