import { freePortBase } from '@featuremesh/cli/testing/fmesh-process';
import type { MeshProfile } from '../profile.ts';
import { MESH_PORT_SPAN } from '../wan-plan.ts';

/** What the real tests of a whole mesh, and of one region over HTTP, keep rows in: `FEATUREMESH_TEST_PROFILE`, `embedded` where it is not set. */
export function testProfile(): MeshProfile {
  const profile = process.env['FEATUREMESH_TEST_PROFILE'] ?? 'embedded';
  if (profile === 'embedded' || profile === 'full') return profile;
  throw new Error('FEATUREMESH_TEST_PROFILE is embedded or full');
}

/** What a test waits for: this long on embedded defaults, longer where six Cassandra nodes share the machine with what is tested. */
export function patienceMs(embeddedMs: number): number {
  return testProfile() === 'full' ? 4 * embeddedMs : embeddedMs;
}

/** A base from which the ports of a mesh, with its stores, are free at this moment. */
export function freeMeshPortBase(): Promise<number> {
  return freePortBase(MESH_PORT_SPAN);
}
