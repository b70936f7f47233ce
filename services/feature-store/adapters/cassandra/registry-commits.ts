import { ProblemError, problem } from '@featuremesh/domain/problem';
import { EMPTY_IMAGE } from '../../registry/registry-image.ts';
import { isRefused } from './cassandra-errors.ts';
import type { CassandraStoreOptions } from './cassandra-options.ts';
import {
  auditName,
  type RegistryHead,
  type RegistryReading,
  type RegistryRecords,
  type RegistryRow,
} from './registry-records.ts';

/** Tries of one change against those of other processes; each pause is chance below the bound. */
const MAX_TRIES = 12;
const MAX_PAUSE_MS = 60;

/** Bytes of one change: Cassandra refuses a mutation above 16 MiB, and paxos writes each twice. */
const MAX_CHANGE_BYTES = 8 * 1024 * 1024;

/** Commits looked through for one's own whose answer was lost: far more than happen within a change's deadline. */
const MAX_SEARCHED_AUDITS = 100;

/** Rows to write, and what the registry holds afterwards; `lastAudit` only where the change makes an audit record. */
export interface RegistryWrite {
  readonly rows: readonly RegistryRow[];
  readonly next: Partial<Omit<RegistryReading, 'head'>>;
  readonly whenWritten?: () => void;
}

/** Makes a change of what is known, again for each try; undefined where there is nothing to change. `writer` names the change. */
export type RegistryChange = (
  known: RegistryReading | undefined,
  writer: string,
) => RegistryWrite | undefined;

/** One change on its way. */
interface ChangeUnderWay {
  readonly make: RegistryChange;
  /** `one`: it makes an audit record, by which it is found where its answer was lost; `again`: repeating it changes nothing. */
  readonly repeats: 'one' | 'again';
  readonly known: () => RegistryReading | undefined;
  readonly adopt: (reading: RegistryReading) => void;
  /** Told whether the change may have been made although nobody said so: while a batch is under way, and after one that nobody answered. */
  readonly onDoubt: (isInDoubt: boolean) => void;
}

/** Brings changes into the registry, one conditional batch each, and finds out what became of one that was not answered. */
export class RegistryCommits {
  readonly records: RegistryRecords;
  readonly #tools: Pick<CassandraStoreOptions, 'random' | 'timer'>;

  constructor(records: RegistryRecords, tools: Pick<CassandraStoreOptions, 'random' | 'timer'>) {
    this.records = records;
    this.#tools = tools;
  }

  /**
   * Reads what is there, makes the change of it and writes it, until no other write came in between. Rejects with what `make` throws,
   * the driver's errors, or REGISTRY_UNAVAILABLE; where `onDoubt` was told so last, it may have been written all the same.
   */
  async change(change: ChangeUnderWay, expired: AbortSignal): Promise<void> {
    const { random, timer } = this.#tools;
    const writer = random.base32(16);
    let isInDoubt = false;
    for (let attempt = 1; attempt <= MAX_TRIES && !expired.aborted; attempt += 1) {
      const auditsBefore = change.known()?.head.audits ?? 0;
      const known = await this.#current(change, expired);
      if (isInDoubt && (await this.#isWritten({ change, writer, auditsBefore }, known, expired))) return;
      const write = change.make(known, writer);
      if (write === undefined) return;
      const audits = (known?.head.audits ?? 0) + (write.next.lastAudit === undefined ? 0 : 1);
      const id = known?.head.id ?? random.base32(16);
      const next = readingAfter(known, write, { writer, audits, id });
      change.onDoubt(true);
      try {
        if (await this.records.write(known?.head.version, { head: next.head, rows: write.rows }, expired)) {
          write.whenWritten?.();
          change.adopt(next);
          return;
        }
      } catch (error) {
        if (isRefused(error)) {
          change.onDoubt(isInDoubt);
          throw error;
        }
        isInDoubt = true;
      }
      change.onDoubt(isInDoubt);
      await timer.sleep(random.int(MAX_PAUSE_MS), expired);
    }
    throw new ProblemError(
      problem('REGISTRY_UNAVAILABLE', 'a conditional write of the registry in Cassandra found no majority'),
    );
  }

  /** Begins a registry that holds nothing yet with what a copy holds, unless another process was first. Rejects as the driver does. */
  async seed(copied: RegistryReading, expired: AbortSignal): Promise<void> {
    const { image, placements, lastAudit, head } = copied;
    const rows: RegistryRow[] = [
      ...[...image.entries].map(([name, entry]) => rowOf('entry', name, entry)),
      ...[...placements].map(([name, placement]) => rowOf('table', name, placement)),
      ...Object.entries(image.confirmedAtMs).map(([name, atMs]) => rowOf('confirmed', name, atMs)),
    ];
    const writer = this.#tools.random.base32(16);
    if (lastAudit !== undefined)
      rows.push(rowOf('audit', auditName(head.audits), { record: lastAudit, keys: [], writer }));
    const next = readingAfter(
      undefined,
      { rows, next: copied },
      { writer, audits: head.audits, id: this.#tools.random.base32(16) },
    );
    await this.records.write(undefined, { head: next.head, rows }, expired);
  }

  /** As of a serial read, which ends what hangs of former writes. */
  async #current(change: ChangeUnderWay, expired: AbortSignal): Promise<RegistryReading | undefined> {
    const head = await this.records.head('serial-read', expired);
    const known = change.known();
    assertSameRegistry(head, known);
    if (head === undefined) {
      if (known === undefined) return undefined;
      await this.seed(known, expired);
      return this.#current(change, expired);
    }
    const isComplete =
      known?.head.id === head.id && known.head.version === head.version && known.head.placed !== -1;
    if (isComplete) return known;
    const reading = await this.records.read(head, known, expired);
    change.adopt(reading);
    return reading;
  }

  async #isWritten(
    { change, writer, auditsBefore }: { change: ChangeUnderWay; writer: string; auditsBefore: number },
    known: RegistryReading | undefined,
    expired: AbortSignal,
  ): Promise<boolean> {
    if (known === undefined) return false;
    if (known.head.writer === writer) return true;
    if (change.repeats === 'again' || known.head.audits === auditsBefore) return false;
    const since = Math.min(known.head.audits - auditsBefore, MAX_SEARCHED_AUDITS);
    const audits = await this.records.audits(since, expired);
    return audits.some(audit => audit.writer === writer);
  }
}

const NOTHING: RegistryReading = {
  image: EMPTY_IMAGE,
  placements: new Map(),
  reports: {},
  head: { id: '', version: 0, revision: 0, ownSequence: 0, audits: 0, placed: 0, noted: 0, writer: '' },
  lastAudit: undefined,
};

/**
 * Throws REGISTRY_UNAVAILABLE where Cassandra holds another registry than this machine knows, or none any more: a keyspace that was dropped
 * or is named wrongly must not empty a region that serves. What was known of a registry in LMDB (no id) may begin one here.
 */
export function assertSameRegistry(head: RegistryHead | undefined, known: RegistryReading | undefined): void {
  if (known === undefined || head?.id === known.head.id) return;
  const { revision } = known.image;
  if (known.head.id === '' && (head === undefined || head.revision >= revision)) return;
  const found = head === undefined ? 'holds none' : 'holds another one';
  throw new ProblemError(
    problem(
      'REGISTRY_UNAVAILABLE',
      `this machine knows the region's registry at revision ${revision}, and the keyspace in Cassandra ${found}: restore it, or stop the region and remove its registry-copies to begin with what is there`,
    ),
  );
}

/** A row beside the head. */
export function rowOf(kind: RegistryRow['kind'], name: string, value: unknown): RegistryRow {
  return { kind, name, body: JSON.stringify(value) };
}

function readingAfter(
  known: RegistryReading | undefined,
  { rows, next }: RegistryWrite,
  { writer, audits, id }: Pick<RegistryHead, 'writer' | 'audits' | 'id'>,
): RegistryReading {
  const bytes = rows.reduce((sum, { body }) => sum + Buffer.byteLength(body ?? ''), 0);
  if (bytes > MAX_CHANGE_BYTES)
    throw new ProblemError(
      problem('BODY_TOO_LARGE', `one change of the registry is at most ${MAX_CHANGE_BYTES} bytes`),
    );
  const contents = { ...(known ?? NOTHING), ...next };
  const { revision, ownSequence } = contents.image;
  const before = known?.head ?? NOTHING.head;
  const version = before.version + 1;
  const has = (...kinds: readonly RegistryRow['kind'][]): boolean =>
    rows.some(({ kind }) => kinds.includes(kind));
  const placed = has('table') ? version : before.placed;
  const noted = has('confirmed', 'report') ? version : before.noted;
  return { ...contents, head: { id, version, revision, ownSequence, audits, placed, noted, writer } };
}
