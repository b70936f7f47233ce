import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemTimer } from '@featuremesh/runtime/timer';
import {
  CONFORMANCE_ROSTER,
  registryConformance,
} from '@featuremesh/testkit/conformance/registry-conformance';
import { LmdbRegistry } from './lmdb-registry.ts';

registryConformance('LMDB', async () => {
  const path = await mkdtemp(join(tmpdir(), 'fm-registry-'));
  return {
    open: async () =>
      LmdbRegistry.open({ path, roster: CONFORMANCE_ROSTER, clock: systemClock, timer: systemTimer }),
    end: () => rm(path, { recursive: true, force: true }),
  };
});
