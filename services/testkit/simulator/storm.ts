import { decodeLinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { SeededRandom } from '@featuremesh/runtime/random';
import type { LinkStreams } from '../simulation/link-streams.ts';
import type { Scheduler } from '../simulation/scheduler.ts';
import type { SimulatedMesh } from '../simulation/simulated-mesh.ts';

/** What a storm works on; `note` tells a trace what happens. */
export interface StormParts {
  readonly scheduler: Scheduler;
  readonly mesh: SimulatedMesh;
  readonly random: SeededRandom;
  readonly durationMs: number;
  readonly note: (what: string) => void;
}

type Trouble = (parts: StormParts) => void;

const killService: Trouble = ({ mesh, scheduler, random, note }) => {
  const id = anyRegion(mesh, random);
  const slot = random.int(mesh.region(id).services.length);
  note(`kill -9 service ${id}/${slot}`);
  mesh.killService(id, slot);
  scheduler.after(100 + random.int(7_000), () => {
    note(`start service ${id}/${slot}`);
    mesh.startService(id, slot);
  });
};

const killSync: Trouble = ({ mesh, scheduler, random, note }) => {
  const id = anyRegion(mesh, random);
  note(`kill -9 sync ${id}`);
  mesh.killSync(id);
  scheduler.after(100 + random.int(5_000), () => {
    note(`start sync ${id}`);
    mesh.startSync(id);
  });
};

const cutLink: Trouble = ({ mesh, scheduler, random, note }) => {
  const links = mesh.links();
  const link = links[random.int(links.length)];
  if (link === undefined) return;
  const both = random.float() < 0.6;
  const cut = both ? [link, mesh.link(link.to, link.from)] : [link];
  note(`cut ${link.from} ${both ? '<->' : '->'} ${link.to}`);
  for (const one of cut) one.connect(false);
  scheduler.after(300 + random.int(9_000), () => {
    note(`mend ${link.from} ${both ? '<->' : '->'} ${link.to}`);
    for (const one of cut) one.connect(true);
  });
};

const stopBroker: Trouble = ({ mesh, scheduler, random, note }) => {
  const id = anyRegion(mesh, random);
  note(`broker of ${id} away`);
  mesh.setBroker(id, false);
  scheduler.after(200 + random.int(3_000), () => {
    note(`broker of ${id} back`);
    mesh.setBroker(id, true);
  });
};

const stopStore: Trouble = ({ mesh, scheduler, random, note }) => {
  const id = anyRegion(mesh, random);
  const { storeServer } = mesh.region(id).disk;
  note(`store of ${id} away`);
  storeServer.up = false;
  scheduler.after(200 + random.int(3_000), () => {
    note(`store of ${id} back`);
    storeServer.up = true;
  });
};

/** A batch that the peer has not acknowledged is gone from the exporter's disk. */
const loseBatch: Trouble = ({ mesh, random, note }) => {
  const found = unacknowledged(mesh, random);
  if (found === undefined) return;
  const { link, seq } = found;
  note(`lose batch ${seq} of ${link.from} -> ${link.to}`);
  link.out.remove(seq);
};

/** Rows of a batch, or the end of one without rows, are no longer what they were. */
const corruptBatch: Trouble = ({ mesh, random, note }) => {
  const found = unacknowledged(mesh, random);
  if (found === undefined) return;
  const { link, seq } = found;
  note(`corrupt batch ${seq} of ${link.from} -> ${link.to}`);
  const draw = random.float();
  link.out.corrupt(seq, data => {
    const message = decodeLinkMessage(data);
    const bodyBytes = message.ok ? message.value.body.length : 0;
    if (bodyBytes === 0) return data.slice(0, Math.floor(data.length * draw));
    const changed = data.slice();
    const at = data.length - bodyBytes + Math.floor(bodyBytes * draw);
    changed[at] = (changed[at] ?? 0) ^ 0x41;
    return changed;
  });
};

function unacknowledged(
  mesh: SimulatedMesh,
  random: SeededRandom,
): { readonly link: LinkStreams; readonly seq: number } | undefined {
  const links = mesh.links().filter(({ out, outDurable }) => outDurable.ackFloor < out.lastSeq);
  const link = links[random.int(Math.max(1, links.length))];
  if (link === undefined) return undefined;
  const { ackFloor } = link.outDurable;
  return { link, seq: ackFloor + 1 + random.int(link.out.lastSeq - ackFloor) };
}

/** FEED forgets all that is applied here, shipped or not, except the newest cursor of each peer. */
const trimFeed: Trouble = ({ mesh, random, note }) => {
  const id = anyRegion(mesh, random);
  const { feed, store } = mesh.region(id).disk;
  const { stream, feedEpoch } = feed;
  let below = stream.lastSeq;
  for (const subjectEnd of new Set(
    stream.messages().map(({ subject }) => subject.split('.').slice(-2).join('.')),
  )) {
    const last = stream.last(subject => subject.endsWith(`.${subjectEnd}`))?.seq ?? 0;
    const [kind = '', source = ''] = subjectEnd.split('.');
    const applied = store.watermarks.get(`${kind === 'own' ? `own.${source}` : 'imports'}@${feedEpoch}`) ?? 0;
    below = Math.min(below, applied + 1, kind === 'in' ? last : Infinity);
  }
  note(`trim FEED of ${id} below ${below}`);
  stream.trimBelow(below);
};

const USUAL: readonly Trouble[] = [killService, killSync, cutLink, cutLink, stopBroker, stopStore];

/** Plans trouble over the duration; some runs also lose batches or trim their logs. */
export function plan(parts: StormParts): void {
  const { scheduler, random, durationMs } = parts;
  const rare = [
    ...(random.float() < 0.4 ? [loseBatch, loseBatch] : []),
    ...(random.float() < 0.3 ? [trimFeed] : []),
    ...(random.float() < 0.3 ? [corruptBatch, corruptBatch] : []),
  ];
  const kinds = [...USUAL, ...rare];
  const count = 2 + random.int(12);
  for (let at = 0; at < count; at++) {
    const trouble = kinds[random.int(kinds.length)];
    scheduler.after(random.int(durationMs), () => trouble?.(parts));
  }
}

function anyRegion(mesh: SimulatedMesh, random: SeededRandom): string {
  const ids = [...mesh.regions.keys()];
  return ids[random.int(ids.length)] ?? '';
}
