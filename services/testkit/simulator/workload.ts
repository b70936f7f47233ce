import { KeyEncoder } from '@featuremesh/domain/entity-key';
import { ProblemError } from '@featuremesh/domain/problem';
import { formatTimestamp } from '@featuremesh/domain/timestamp';
import type { WriteCommand, WriteSummary } from '@featuremesh/feature-store/ingest/write-command';
import type { SeededRandom } from '@featuremesh/runtime/random';
import type { ExpectedGroup } from '../checkers/evidence.ts';
import { canary } from '../checkers/residency.ts';
import type { Scheduler } from '../simulation/scheduler.ts';
import type { SimulatedMesh } from '../simulation/simulated-mesh.ts';
import type { Recorder } from './recorder.ts';

/** A client gives up on an answer after this long, as on a broken connection. */
const CLIENT_PATIENCE_MS = 3_000;

/** Tries of a keyed write; with their pauses more than the longest outage of a run. */
const MAX_TRIES = 60;

/** Distinct keys per group: few, so that writers meet. */
const KEYS = 6;

/** What all writers of a run share. */
export interface WorkloadParts {
  readonly scheduler: Scheduler;
  readonly mesh: SimulatedMesh;
  readonly recorder: Recorder;
  /** Groups that may be written in a region as of now. */
  readonly writable: (region: string) => readonly ExpectedGroup[];
  /** Unique numbers for rows. */
  readonly nextRow: () => number;
}

interface DraftRow {
  readonly json: object;
  readonly keyName: string;
  readonly key: Uint8Array;
  readonly identity: string;
}

const KEY_ENCODER = new KeyEncoder([{ name: 'k', type: 'string' }]);

/** The key names that writers and readers use. */
export const KEY_NAMES: readonly string[] = Array.from({ length: KEYS }, (_, at) => `key-${at}`);

/** The encoded key of a name. */
function encodedKey(name: string): Uint8Array {
  const encoded = KEY_ENCODER.encode({ k: name });
  if (!encoded.ok) throw new TypeError(encoded.problem.detail);
  return encoded.value;
}

/** One client of one region: writes batches until told to end, tries keyed writes again until they are answered. */
export class Writer {
  readonly #parts: WorkloadParts;
  readonly #region: string;
  readonly #random: SeededRandom;
  #writes = 0;

  constructor(parts: WorkloadParts, region: string, random: SeededRandom) {
    this.#parts = parts;
    this.#region = region;
    this.#random = random;
  }

  /** Writes until `untilMs` of true time; resolves when the last write is settled. */
  async run(untilMs: number): Promise<void> {
    const { scheduler } = this.#parts;
    while (scheduler.nowMs() < untilMs) {
      await this.#sleep(30 + this.#random.int(700));
      const groups = this.#parts.writable(this.#region);
      const group = groups[this.#random.int(groups.length)];
      if (group !== undefined) await this.#write(group);
    }
  }

  async #write(group: ExpectedGroup): Promise<void> {
    const rows = Array.from({ length: 1 + this.#random.int(5) }, () => this.#row(group));
    const keyed = this.#random.float() < 0.6;
    const command: WriteCommand = {
      group: group.name,
      caller: 'anonymous',
      onReject: 'skip',
      nonFinite: 'refuse',
      body: { kind: 'json', text: JSON.stringify({ rows: rows.map(({ json }) => json) }) },
      ...(keyed ? { idempotencyKey: `${this.#region}-${this.#random.base32(8)}-${this.#writes++}` } : {}),
    };
    // A client may also repeat what it was already told is done.
    const repeats = keyed && this.#random.float() < 0.2 ? 1 : 0;
    for (let attempt = 0, answers = 0; attempt < MAX_TRIES; attempt++) {
      const summary = await this.#attempt(command);
      if (summary === 'refused') return;
      if (summary !== 'unknown') {
        this.#acknowledge(group, rows, summary);
        if (answers++ >= repeats) return;
      } else if (!keyed) return;
      await this.#sleep(100 + this.#random.int(600));
    }
    throw new Error(`a keyed write in ${this.#region} was never answered`);
  }

  async #attempt(command: WriteCommand): Promise<WriteSummary | 'unknown' | 'refused'> {
    const { mesh, scheduler } = this.#parts;
    const service = mesh.liveService(this.#region, this.#random.int(2));
    if (service === undefined) return 'unknown';
    const answer = (async (): Promise<WriteSummary | 'unknown' | 'refused'> => {
      try {
        const leave = service.ingest.admit(1_000);
        try {
          return await service.write(command);
        } finally {
          leave();
        }
      } catch (error) {
        return error instanceof ProblemError && isFinal(error) ? 'refused' : outcomeOf(error);
      }
    })();
    const patience = new Promise<'unknown'>(resolve => {
      scheduler.after(CLIENT_PATIENCE_MS, () => resolve('unknown'));
    });
    return Promise.race([answer, patience]);
  }

  #row(group: ExpectedGroup): DraftRow {
    const n = this.#parts.nextRow();
    const random = this.#random;
    const name = KEY_NAMES[random.int(KEYS)] ?? '';
    const nowMs = Math.floor(this.#parts.scheduler.nowMs());
    const skewMs = this.#parts.mesh.region(this.#region).disk.skewMs;
    const eventMs = this.#eventTimeMs(nowMs, skewMs);
    const eventTime = formatTimestamp(BigInt(eventMs) * 1_000n);
    // Deletions hold no values, so a created time of their own tells them apart; some others get theirs from the region.
    const deleted = random.float() < 0.12;
    const createdUs = BigInt(nowMs - 20_000 + random.int(1_000)) * 1_000n + BigInt(n % 1_000);
    const coarseUs = BigInt(Math.floor(nowMs / 5_000) * 5_000 - 10_000) * 1_000n;
    const created = deleted ? createdUs : coarseUs;
    const hasCreated = deleted || random.float() < 0.4;
    const json = {
      key: { k: name },
      eventTime,
      ...(hasCreated ? { createdTime: formatTimestamp(created) } : {}),
      ...(deleted
        ? { deleted: true }
        : { features: { label: `${name}|#w${n}#`, note: canary(this.#region, group.groupId) } }),
    };
    return {
      json,
      keyName: name,
      key: encodedKey(name),
      identity: deleted ? `deleted@${createdUs}` : `#w${n}#`,
    };
  }

  /** Ties on whole seconds, late rows, and rows at the very edge of the permitted skew. */
  #eventTimeMs(nowMs: number, skewMs: number): number {
    const draw = this.#random.float();
    if (draw < 0.45) return Math.floor(nowMs / 2_000) * 2_000;
    if (draw < 0.75) return nowMs + Math.min(0, skewMs);
    if (draw < 0.92) return nowMs - this.#random.int(600_000);
    return nowMs + skewMs + 4_900;
  }

  #acknowledge(group: ExpectedGroup, rows: readonly DraftRow[], summary: WriteSummary): void {
    const refused = new Set(summary.rejected.map(({ index }) => index));
    const { recorder, scheduler } = this.#parts;
    const accepted = rows.filter((_, at) => !refused.has(at));
    if (summary.position !== null)
      recorder.positioned.push({
        region: this.#region,
        groupId: group.groupId,
        position: summary.position,
        rows: accepted,
      });
    for (const { key, identity } of accepted) {
      recorder.acknowledged.push({
        region: this.#region,
        groupId: group.groupId,
        key,
        identity,
        atMs: scheduler.nowMs(),
      });
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.#parts.scheduler.after(ms, resolve);
    });
  }
}

/** The region will never take this write. */
function isFinal({ problem }: ProblemError): boolean {
  return ['WRITE_REFUSED_BY_POLICY', 'UNKNOWN_GROUP', 'IDEMPOTENCY_KEY_REUSED'].includes(problem.code);
}

/** Anything that a region may answer in trouble is no promise; anything else is a defect of the run. */
function outcomeOf(error: unknown): 'unknown' {
  if (error instanceof ProblemError) return 'unknown';
  throw error;
}
