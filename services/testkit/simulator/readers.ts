import type { ReadTicket } from '@featuremesh/domain/read-plan';
import type { SeededRandom } from '@featuremesh/runtime/random';
import type { ExpectedGroup, PositionedWrite } from '../checkers/evidence.ts';
import type { Scheduler } from '../simulation/scheduler.ts';
import type { SimulatedMesh } from '../simulation/simulated-mesh.ts';
import type { Recorder } from './recorder.ts';
import { KEY_NAMES } from './workload.ts';

/** Share of reads that wait for a write: each may look at the store hundreds of times. */
const WAITING_READS = 0.15;

/** Writes among which such a read chooses. */
const LATEST_WRITES = 12;

/** What readers of a run share. */
export interface ReaderParts {
  readonly scheduler: Scheduler;
  readonly mesh: SimulatedMesh;
  readonly recorder: Recorder;
  readonly groups: readonly ExpectedGroup[];
}

/** Reads from one region at random moments through the real ticket reader, with keys in any order, repeated and unknown. */
export async function readAtRandom(
  parts: ReaderParts,
  region: string,
  random: SeededRandom,
  untilMs: number,
): Promise<void> {
  const { scheduler } = parts;
  while (scheduler.nowMs() < untilMs) {
    await new Promise<void>(resolve => {
      scheduler.after(200 + random.int(1_000), resolve);
    });
    // A read of a process that is killed meanwhile is never answered; the next one must not wait for it.
    void readOnce(parts, region, random);
  }
}

async function readOnce(parts: ReaderParts, region: string, random: SeededRandom): Promise<void> {
  const { mesh, recorder, groups } = parts;
  const service = mesh.liveService(region, random.int(2));
  const waitedFor = random.float() < WAITING_READS ? writeToWaitFor(parts, region, random) : undefined;
  const group =
    waitedFor === undefined
      ? groups[random.int(groups.length)]
      : groups.find(({ groupId }) => groupId === waitedFor.groupId);
  if (service === undefined || group === undefined) return;
  sampleLags(parts, region);
  const drawn = Array.from(
    { length: 1 + random.int(12) },
    () => [...KEY_NAMES, 'nobody'][random.int(KEY_NAMES.length + 1)] ?? '',
  );
  const names = [...drawn, ...(waitedFor?.rows.map(({ keyName }) => keyName) ?? [])];
  const ticket: ReadTicket = {
    g: group.groupId,
    v: 1,
    f: random.float() < 0.5 ? ['label', 'note'] : ['label'],
    keys: { k: names },
    ...(waitedFor === undefined ? {} : { after: waitedFor.position }),
    ...(random.float() < 0.3 ? { maxAgeMs: 1_000 + random.int(5_000) } : {}),
  };
  const beforeMs = service.time.nowMs();
  const answer = await service.read(ticket, { jurisdictions: 'all', purposes: 'all' });
  recorder.reads.push({ region, ticket, answer, beforeMs, afterMs: service.time.nowMs(), waitedFor });
}

/** One of the latest writes that this region may come to hold. */
function writeToWaitFor(
  { recorder, groups }: ReaderParts,
  region: string,
  random: SeededRandom,
): PositionedWrite | undefined {
  const latest = recorder.positioned.slice(-LATEST_WRITES).filter(write => {
    const group = groups.find(({ groupId }) => groupId === write.groupId);
    if (group?.regions.includes(region) !== true) return false;
    return group.sharing === 'shared' || write.region === region;
  });
  return latest[random.int(Math.max(1, latest.length))];
}

/** What each service process says of its lag, beside what its store has applied at that very moment. */
function sampleLags({ mesh, recorder }: ReaderParts, region: string): void {
  const { disk, services } = mesh.region(region);
  for (const service of services) {
    if (service?.ready !== true) continue;
    for (const peer of mesh.regions.keys()) {
      const lagMs = peer === region ? null : service.lag.lagMs(peer);
      if (lagMs === null) continue;
      recorder.lags.push({
        region,
        peer,
        lagMs,
        regionMs: service.time.nowMs(),
        appliedThrough: disk.store.watermarks.get(`imports@${disk.feed.feedEpoch}`) ?? 0,
      });
    }
  }
}
