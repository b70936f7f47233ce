import { readFileSync } from 'node:fs';
import type { Figure } from './figure.ts';
import { rounded } from './http-load.ts';

const KIB_PER_MIB = 1_024;

/** Memory of every process of the mesh as it stands, by region and in all: proportional set, so that shared pages count once. */
export const memory: Figure = {
  name: 'memory',
  about: 'memory (proportional set size) of every process of the running mesh',
  needsMesh: true,
  maxMeasurements: 1,
  async *run({ mesh }) {
    let all = 0;
    for (const { id, pids } of mesh.regions) {
      const values: Record<string, number> = {};
      let total = 0;
      for (const [part, pid] of Object.entries(pids ?? {})) {
        const mib = proportionalMib(pid);
        values[`${part}Mib`] = mib;
        total += mib;
      }
      all += total;
      yield { variant: id, values: { ...values, totalMib: rounded(total) } };
    }
    yield { variant: 'all-regions', values: { totalMib: rounded(all) } };
  },
};

function proportionalMib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]);
  return rounded(kib / KIB_PER_MIB);
}
