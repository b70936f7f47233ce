import { readFileSync } from 'node:fs';
import type { Figure } from './figure.ts';
import { rounded } from './http-load.ts';

const KIB_PER_MIB = 1_024;

/** Resident memory of every process of the mesh as it stands, by region. */
export const memory: Figure = {
  name: 'memory',
  about: 'resident memory of every process of the running mesh',
  needsMesh: true,
  async *run({ mesh }) {
    for (const { id, pids } of mesh.regions) {
      const values: Record<string, number> = {};
      let total = 0;
      for (const [part, pid] of Object.entries(pids ?? {})) {
        const mib = residentMib(pid);
        values[`${part}Mib`] = mib;
        total += mib;
      }
      yield { variant: id, values: { ...values, totalMib: rounded(total) } };
    }
  },
};

function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
  return rounded(kib / KIB_PER_MIB);
}
