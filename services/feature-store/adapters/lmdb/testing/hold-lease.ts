import { systemClock } from '@featuremesh/runtime/clock';
import { systemTimer } from '@featuremesh/runtime/timer';
import { LmdbOnlineStore } from '../lmdb-online-store.ts';

const LEASE_MS = 9_000;

// Takes a lease, says so, and holds it until the process is killed.
const [path = ''] = process.argv.slice(2);
const store = LmdbOnlineStore.open({ path, maxTables: 4 });
const nowMs = systemClock.nowMs();
const lease = await store.acquireLease({ name: 'slot.0', holder: 'child', nowMs, untilMs: nowMs + LEASE_MS });
process.stdout.write(`epoch ${lease?.epoch}\n`);
for (;;) await systemTimer.sleep(60_000);
