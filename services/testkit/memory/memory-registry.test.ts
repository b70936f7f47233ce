import { systemClock } from '@featuremesh/runtime/clock';
import { CONFORMANCE_ROSTER, registryConformance } from '../conformance/registry-conformance.ts';
import { MemoryRegistry, MemoryRegistryDisk } from './memory-registry.ts';

registryConformance('memory', async () => {
  const disk = new MemoryRegistryDisk();
  return {
    open: async () => new MemoryRegistry({ roster: CONFORMANCE_ROSTER, clock: systemClock, disk }),
    end: async () => undefined,
  };
});
