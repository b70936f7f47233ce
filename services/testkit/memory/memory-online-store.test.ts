import { onlineStoreConformance } from '@featuremesh/testkit/conformance/online-store-conformance';
import { MemoryOnlineState, MemoryOnlineStore } from './memory-online-store.ts';

onlineStoreConformance('memory', async () => {
  const state = new MemoryOnlineState();
  const options = { state, maxTables: 8 };
  return {
    store: new MemoryOnlineStore(options),
    reopen: async () => new MemoryOnlineStore(options),
    maxTables: options.maxTables,
    remove: async () => undefined,
  };
});
