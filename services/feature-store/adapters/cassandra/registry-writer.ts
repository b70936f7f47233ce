import { ProblemError, problem } from '@featuremesh/domain/problem';
import { EMPTY_IMAGE } from '../../registry/registry-image.ts';
import { isRefused } from './cassandra-errors.ts';
import type { CassandraStoreOptions } from './cassandra-options.ts';
import type { RegistryHead, RegistryReading, RegistryRecords, RegistryRow } from './registry-records.ts';

/** Tries of one change against those of other processes; each pause is chance below the bound. */
const MAX_TRIES = 12;
const MAX_PAUSE_MS = 60;

/** Bytes of one change: Cassandra refuses a mutation above 16 MiB, and paxos writes each twice. */
const MAX_CHANGE_BYTES = 8 * 1024 * 1024;

/** Commits looked through for one's own whose answer was lost: far more than happen within a change's deadline. */
const MAX_SEARCHED_AUDITS = 100;

/** Rows to write, what the registry holds afterwards, and the entries that changed. */
export interface RegistryWrite {
  readonly rows: readonly RegistryRow[];
  readonly next: Partial<Pick<RegistryReading, 'image' | 'audits' | 'lastAudit' | 'placements' | 'reports'>>;
  readonly changedKeys?: readonly string[];
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
}

/** Brings changes into the registry, one conditional batch each, and finds out what became of one that was not answered. */
export class RegistryWriter {
  readonly records: RegistryRecords;
  readonly #tools: Pick<CassandraStoreOptions, 'random' | 'timer'>;

  constructor(records: RegistryRecords, tools: Pick<CassandraStoreOptions, 'random' | 'timer'>) {
    this.records = records;
    this.#tools = tools;
  }

  /**
   * Reads what is there, makes the change of it and writes it, until no other write came in between. Rejects with what `make` throws,
   * the driver's errors, or REGISTRY_UNAVAILABLE; then it may have been written only where a batch was sent and not answered.
   */
  async change(change: ChangeUnderWay, expired: AbortSignal): Promise<void> {
    const { random, timer } = this.#tools;
    const writer = random.base32(16);
    let isInDoubt = false;
    for (let attempt = 1; attempt <= MAX_TRIES && !expired.aborted; attempt += 1) {
      const auditsBefore = change.known()?.audits ?? 0;
      const known = await this.#current(change, expired);
      if (isInDoubt && (await this.#isWritten({ change, writer, auditsBefore }, known, expired))) return;
      const write = change.make(known, writer);
      if (write === undefined) return;
      const next = readingAfter(known, write, { writer, newId: () => random.base32(16) });
      try {
        if (await this.records.write(known?.version, { head: next.head, rows: write.rows }, expired)) {
          write.whenWritten?.();
          change.adopt(next);
          return;
        }
      } catch (error) {
        if (isRefused(error)) throw error;
        isInDoubt = true;
      }
      await timer.sleep(random.int(MAX_PAUSE_MS), expired);
    }
    throw new ProblemError(
      problem(
        'REGISTRY_UNAVAILABLE',
        isInDoubt
          ? 'the registry in Cassandra did not answer: the change may have been made, look before you repeat it'
          : 'a conditional write of the registry in Cassandra found no majority',
      ),
    );
  }

  /** As of a serial read, which ends what hangs of former writes. */
  async #current(change: ChangeUnderWay, expired: AbortSignal): Promise<RegistryReading | undefined> {
    const head = await this.records.head('serial-read', expired);
    const known = change.known();
    assertSameRegistry(head, known);
    if (head === undefined) return undefined;
    const isComplete = known?.id === head.id && known.version === head.version && known.head.placed !== -1;
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
    if (change.repeats === 'again' || known.audits === auditsBefore) return false;
    const since = Math.min(known.audits - auditsBefore, MAX_SEARCHED_AUDITS);
    const audits = await this.records.audits(since, expired);
    return audits.some(audit => audit.writer === writer);
  }
}

const NOTHING: RegistryReading = {
  id: '',
  version: 0,
  audits: 0,
  image: EMPTY_IMAGE,
  placements: new Map(),
  reports: {},
  head: { id: '', version: 0, revision: 0, ownSequence: 0, audits: 0, placed: 0, noted: 0, writer: '' },
  lastAudit: undefined,
};

/**
 * Throws REGISTRY_UNAVAILABLE where Cassandra holds another registry than this machine knows, or none: a keyspace that was dropped or is
 * named wrongly must not empty a region that serves.
 */
export function assertSameRegistry(head: RegistryHead | undefined, known: RegistryReading | undefined): void {
  if (known === undefined || head?.id === known.id) return;
  const found = head === undefined ? 'holds none' : 'holds another one';
  throw new ProblemError(
    problem(
      'REGISTRY_UNAVAILABLE',
      `this machine knows the region's registry at revision ${known.image.revision}, and the keyspace in Cassandra ${found}: restore it, or end the services and remove data/lmdb/registry-copy to begin with what is there`,
    ),
  );
}

function readingAfter(
  known: RegistryReading | undefined,
  { rows, next, changedKeys }: RegistryWrite,
  { writer, newId }: { writer: string; newId: () => string },
): RegistryReading {
  const bytes = rows.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
  if (bytes > MAX_CHANGE_BYTES)
    throw new ProblemError(
      problem('BODY_TOO_LARGE', `one change of the registry is at most ${MAX_CHANGE_BYTES} bytes`),
    );
  const contents = { ...(known ?? NOTHING), ...next };
  const { image, audits, head: before } = contents;
  const version = before.version + 1;
  const notes = rows.some(({ kind }) => kind === 'confirmed' || kind === 'report');
  const head: RegistryHead = {
    id: known?.id ?? newId(),
    ...{ version, writer, audits },
    revision: image.revision,
    ownSequence: image.ownSequence,
    placed: rows.some(({ kind }) => kind === 'table') ? version : before.placed,
    noted: notes ? version : before.noted,
  };
  return { ...contents, id: head.id, version, head, changedKeys: changedKeys ?? [] };
}
