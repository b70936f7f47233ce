import type { LinkMessage } from '@featuremesh/contracts/link-batch-codec';
import { ROW_HEADER_BYTES } from '@featuremesh/domain/packed-row';
import { ProblemError } from '@featuremesh/domain/problem';
import { outSubject, tableName } from '@featuremesh/domain/subjects';
import type { IngestService } from '@featuremesh/feature-store/ingest/ingest-service';
import type { OnlineStore, StoredRow } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import type { CompiledPolicy } from '@featuremesh/sync/policy-compiler/compile';
import type { FeedSink, FeedSource, FeedTail } from '@featuremesh/sync/ports/feed';
import type { LinkIn, Received } from '@featuremesh/sync/ports/link';
import type { Hooks } from '../simulation/process-parts.ts';
import type { RegionDisk } from '../simulation/region-disk.ts';
import { VEILED_NAME } from './catalogue.ts';

/** Defects that can be planted, each with the invariants of which at least one must be found broken. */
export const PLANTED = {
  'last-arrival-wins': ['S1'],
  'torn-rows': ['S3'],
  'acknowledges-lost-rows': ['S5'],
  'eager-progress': ['S6'],
  'skips-gap-check': ['S1', 'S6'],
  'forgets-held-batches': ['S1'],
  'forgets-watermarks': ['S7'],
  'ignores-policy': ['R1'],
  'ignores-max-age': ['V1'],
  'sorts-keys': ['V3'],
  'claims-positions': ['V6'],
  'publishes-everything': ['C1'],
  'never-takes-back': ['C2'],
  'withholds-what-is-given': ['C4'],
  'purges-too-early': ['S8'],
} as const satisfies Record<string, readonly string[]>;

/** The name of a planted defect. */
export type PlantedDefect = keyof typeof PLANTED;

/** Where the defect stands. */
export function hooksOf(defect: PlantedDefect | undefined): Hooks {
  switch (defect) {
    case undefined:
      return {};
    case 'last-arrival-wins':
      return { store: (store, disk) => overwriting(store, disk, (_, given) => given) };
    case 'torn-rows':
      return { store: (store, disk) => overwriting(store, disk, torn) };
    case 'acknowledges-lost-rows':
      return { writes: optimistic };
    case 'eager-progress':
      return { feedSource: eager };
    case 'skips-gap-check':
      return { linkIn: (link, sink, peer) => new RenumberedLink(link, sink, peer) };
    case 'forgets-held-batches':
      return { feedSink: firstPageAlone };
    case 'forgets-watermarks':
      return { store: forgetful };
    case 'ignores-policy':
      return { policy: permissive };
    case 'ignores-max-age':
      return {
        reads: read => (ticket, caller) =>
          read({ ...ticket, includeStale: true }, caller).then(calledPresent),
      };
    case 'purges-too-early':
      return { patience: { valuesMs: -7_000, deletionsMs: -7_000 } };
    case 'claims-positions':
      return {
        store: store => replaced(store, { appliedPosition: () => Promise.resolve(Number.MAX_SAFE_INTEGER) }),
      };
    case 'publishes-everything':
      return { publication: (_, all) => all };
    case 'never-takes-back':
      return { publication: told => told.filter(({ kind }) => kind !== 'view') };
    case 'withholds-what-is-given':
      return { publication: told => told.filter(entry => !JSON.stringify(entry).includes(VEILED_NAME)) };
    case 'sorts-keys':
      return {
        reads: read => (ticket, caller) => read({ ...ticket, keys: sorted(ticket.keys) }, caller),
      };
  }
}

type Store = OnlineStore & StampBounds;

/** A store of which single members are replaced. */
function replaced(store: Store, members: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const own: unknown = Reflect.get(members, name);
      if (own !== undefined) return own;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** After every step the rows given stand as `choose` says, whatever the order says. */
function overwriting(
  store: Store,
  disk: RegionDisk,
  choose: (stored: Uint8Array | undefined, given: Uint8Array) => Uint8Array,
): Store {
  return replaced(store, {
    apply: step => {
      const { groupId, version, generation } = step.table;
      const rows = disk.store.tables.get(tableName(groupId, version, generation))?.rows;
      const before = step.rows.map(({ key }) => rows?.get(Buffer.from(key).toString('latin1'))?.row);
      const outcome = store.apply(step);
      step.rows.forEach(({ key, row }: StoredRow, at) => {
        rows?.set(Buffer.from(key).toString('latin1'), { key, row: choose(before[at], row) });
      });
      return outcome;
    },
  });
}

/** The greater header with the payload of the row that was there before. */
function torn(stored: Uint8Array | undefined, given: Uint8Array): Uint8Array {
  if (stored === undefined) return given;
  const [header, payload] = Buffer.compare(given, stored) > 0 ? [given, stored] : [stored, given];
  return Buffer.concat([header.subarray(0, ROW_HEADER_BYTES), payload.subarray(ROW_HEADER_BYTES)]);
}

/** Tells a client that its rows are accepted where the log did not answer. */
function optimistic(write: IngestService['write']): IngestService['write'] {
  return async command => {
    try {
      return await write(command);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.code !== 'LOG_UNAVAILABLE') throw error;
      return {
        accepted: 1,
        duplicates: 0,
        rejectedTotal: 0,
        rejected: [],
        position: null,
        online: 'PENDING',
      };
    }
  };
}

/** Tails that always call themselves drained. */
function eager(source: FeedSource): FeedSource {
  return {
    feedEpoch: source.feedEpoch,
    bounds: () => source.bounds(),
    arrival: (waitMs, signal) => source.arrival(waitMs, signal),
    tail: async (groupId, after): Promise<FeedTail> => {
      const tail = await source.tail(groupId, after);
      return {
        peek: () => tail.peek(),
        take: () => tail.take(),
        drained: () => Promise.resolve(true),
        close: () => tail.close(),
      };
    },
  };
}

/** Shows of the batches set aside no more than one page, and then says that there are no others. */
function firstPageAlone(sink: FeedSink): FeedSink {
  return {
    cursor: peer => sink.cursor(peer),
    append: message => sink.append(message),
    hold: batch => sink.hold(batch),
    held: (peer, page) => (page.after === 0 ? sink.held(peer, page) : Promise.resolve([])),
    progress: progress => sink.progress(progress),
  };
}

/** Renumbers what arrives so that no gap shows: an importer behind it accepts anything as the next batch. */
class RenumberedLink implements LinkIn {
  readonly #link: LinkIn;
  readonly #sink: FeedSink;
  readonly #peer: string;

  constructor(link: LinkIn, sink: FeedSink, peer: string) {
    this.#link = link;
    this.#sink = sink;
    this.#peer = peer;
  }

  nextControl(...given: Parameters<LinkIn['nextControl']>): ReturnType<LinkIn['nextControl']> {
    return this.#link.nextControl(...given);
  }

  async nextBatch(...given: Parameters<LinkIn['nextBatch']>): Promise<Received<LinkMessage> | undefined> {
    const received = await this.#link.nextBatch(...given);
    if (received?.message === undefined) return received;
    const cursor = await this.#sink.cursor(this.#peer);
    const { message } = received;
    if (message.envelope.kind === 'progress') {
      this.#sink.progress({
        peer: this.#peer,
        knownAsOfMs: message.envelope.sentAtMs,
        throughSequence: cursor?.sequence ?? 0,
      });
      received.ack();
      return undefined;
    }
    if (cursor === undefined) return received;
    const renumbered = {
      ...message,
      envelope: {
        ...message.envelope,
        linkEpoch: cursor.linkEpoch,
        linkSeq: cursor.linkSeq + 1,
        previousHash: cursor.hash,
      },
    };
    return { ...received, message: renumbered };
  }

  connected(): boolean {
    return this.#link.connected();
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}

/** Loses its watermarks when a process of the region starts, as a store would that writes them outside the step's transaction. */
function forgetful(store: Store, disk: RegionDisk): Store {
  for (const name of disk.store.watermarks.keys()) disk.store.watermarks.set(name, 0);
  return store;
}

/** A compiler that lets every group travel to every peer and accepts all that comes. */
function permissive(policy: CompiledPolicy): CompiledPolicy {
  const all = policy.gatewayRules.map(({ groupId, version }) => ({
    groupId,
    version,
    schemaHash: '',
    policyEpoch: '',
  }));
  const links = [...policy.links].map(([peer]) => {
    const outSubjects = [...new Set(all.map(({ groupId }) => outSubject(groupId)))];
    return [peer, { peer, exports: all, outSubjects }] as const;
  });
  return { ...policy, links: new Map(links), mayShip: () => true };
}

type Answer = Awaited<ReturnType<NonNullable<Parameters<NonNullable<Hooks['reads']>>[0]>>>;

/** Says PRESENT of what is too old. */
function calledPresent(answer: Answer): Answer {
  const honest = (status: string): string => (status === 'OUTSIDE_MAX_AGE' ? 'PRESENT' : status);
  const statuses = answer.statuses.map(status =>
    typeof status === 'string' ? honest(status) : status.map(honest),
  );
  return { ...answer, statuses: statuses as Answer['statuses'] };
}

function sorted(keys: Readonly<Record<string, readonly unknown[]>>): Record<string, readonly unknown[]> {
  return Object.fromEntries(Object.entries(keys).map(([name, values]) => [name, values.toSorted()]));
}
