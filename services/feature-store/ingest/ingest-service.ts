import { MAX_CHUNK_ROWS } from '@featuremesh/domain/limits';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail } from '@featuremesh/domain/result';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { ChangeLog } from '../ports/change-log.ts';
import type { OnCrashPoint } from '../ports/crash-points.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import type { Registry } from '../ports/registry.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { ChunkGate } from './chunk-gate.ts';
import { ChunkSender } from './chunk-sender.ts';
import { CommitTraces } from './commit-traces.ts';
import { HeldGroups, type TableLookup } from './held-groups.ts';
import { bodyHash, EarlierChunks } from './idempotency.ts';
import { IdempotencySweep } from './idempotency-sweep.ts';
import type { IngestLimits } from './ingest-limits.ts';
import { parseRowsJson, rowsOfBody } from './json-rows.ts';
import { LogReplay } from './log-replay.ts';
import { ReplaySteps } from './replay-step.ts';
import { RowBuilder } from './row-builder.ts';
import { SlotOwner } from './slot-owner.ts';
import type { StampClock } from './stamp-clock.ts';
import type { StreamLine, WriteCommand, WriteSummary } from './write-command.ts';
import { WriteRun } from './write-run.ts';
import { type WriteTarget, WriteTargets } from './write-targets.ts';

/** What the write path of one process works with. */
export interface IngestOptions {
  readonly registry: Pick<Registry, 'state'>;
  /** The registry's table keeper. */
  readonly tables: TableLookup;
  readonly store: OnlineStore & StampBounds;
  readonly log: ChangeLog;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly random: Random;
  /** Node slot of this process; no two live processes of a region share one. */
  readonly slot: number;
  readonly region: RegionId;
  readonly limits: IngestLimits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
  /** Given by tests only. */
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

/** One request under way. `beginChunk` takes the time and the stamps of its next chunk, or fails the run. */
interface Writing {
  readonly run: WriteRun;
  readonly builder: RowBuilder;
  readonly beginChunk: () => Promise<void>;
}

const MALFORMED_LINE = problem('MALFORMED_ROW', 'the line is not valid JSON');

/**
 * The write path: parse, check, stamp, pack, append to the log, apply, answer (A2). A write that resolves with accepted rows is on
 * disk in the log; where the online store was down it says PENDING.
 */
export class IngestService {
  readonly #options: IngestOptions;
  readonly #gate: ChunkGate;
  readonly #groups: HeldGroups;
  readonly #targets: WriteTargets;
  readonly #owner: SlotOwner;
  readonly #sender: ChunkSender;
  readonly #sweep: IdempotencySweep;
  readonly #writes = new Set<Promise<unknown>>();
  #draining = false;

  constructor(options: IngestOptions) {
    const {
      registry,
      tables,
      store,
      log,
      clock,
      timer,
      region,
      slot,
      limits,
      logger,
      metrics,
      onCrashPoint,
    } = options;
    this.#options = options;
    this.#gate = new ChunkGate(limits);
    this.#groups = new HeldGroups({ registry, tables, region, clock });
    this.#targets = new WriteTargets({ groups: this.#groups, tables, region, clock });
    const steps = new ReplaySteps({ groups: this.#groups, region, feedEpoch: log.feedEpoch, clock });
    const replay = new LogReplay({ log, store, steps, timer, logger, onCrashPoint });
    const holder = `slot-${slot}-${options.random.base32(16)}`;
    this.#owner = new SlotOwner({ slot, holder, log, store, replay, clock, timer, logger, onCrashPoint });
    const earlier = new EarlierChunks({
      store,
      log,
      region,
      clock,
      maxEntries: limits.maxIdempotencyEntries,
    });
    const traces = options.tracing === undefined ? undefined : new CommitTraces(options.tracing);
    this.#sender = new ChunkSender({ log, gate: this.#gate, earlier, slot, region, clock, metrics, traces });
    this.#sweep = new IdempotencySweep({ store, clock, timer, logger, metrics });
  }

  /** Takes the slot and applies its log to the end; waits while a process that died still holds it (5 s at most). */
  async start(): Promise<void> {
    await this.#owner.start();
    this.#sweep.start();
  }

  /** Why writes are not possible now, for readiness; undefined where they are. */
  notReady(): string | undefined {
    if (this.#draining) return 'draining';
    return this.#owner.isOwned ? undefined : 'the slot is not owned';
  }

  /** True while rows accepted here may be in the log and not yet in the store. */
  get isBehind(): boolean {
    return this.#owner.isBehind;
  }

  /** Room for a request whose body has `bytes`; call the result when the request ends. Throws OVERLOADED or SHUTTING_DOWN. */
  admit(bytes: number): () => void {
    this.#assertOpen();
    return this.#gate.admit(bytes);
  }

  /**
   * Writes the rows of an admitted request. Throws a ProblemError where nothing was accepted for a reason other than the rows
   * themselves; once a chunk is in the log the summary says what became of every row.
   */
  async write(command: WriteCommand): Promise<WriteSummary> {
    this.#assertOpen();
    const writing = this.#write(command);
    this.#writes.add(writing);
    try {
      return await writing;
    } catch (error) {
      const code = error instanceof ProblemError ? error.problem.code : 'INTERNAL';
      this.#options.metrics.count('featuremesh_writes_refused_total', { code });
      throw error;
    } finally {
      this.#writes.delete(writing);
    }
  }

  /** Refuses new writes, waits for those under way, frees the slot. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.allSettled(this.#writes);
    this.#sweep.stop();
    await this.#owner.stop();
  }

  async #write(command: WriteCommand): Promise<WriteSummary> {
    const target = this.#targets.resolve(command.group);
    const context = {
      target,
      owned: () => this.#owner.owned(),
      assertPermitted: () => void this.#targets.assertPermitted(target.group),
      caller: command.caller,
      key: command.idempotencyKey,
    };
    let { stamps } = context.owned();
    const run = new WriteRun({
      send: chunk => this.#sender.send(chunk, context),
      hashing: hashingOf(command),
    });
    const builder = new RowBuilder({
      target,
      nonFinite: command.nonFinite,
      region: this.#options.region,
      state: this.#groups.state(),
      nextStamp: () => stamps.next(),
    });
    const beginChunk = async (): Promise<void> => {
      try {
        stamps = await this.#beginChunk(builder);
      } catch (error) {
        run.fail(error);
      }
    };
    const { body } = command;
    const summary =
      body.kind === 'json'
        ? await this.#writeJson(rowsOfBody(body.text, target.int64), { run, builder, beginChunk, command })
        : await this.#writeLines(body.lines, { run, builder, beginChunk, target });
    this.#countRows(target, summary);
    return summary;
  }

  async #writeJson(
    rows: readonly unknown[],
    { run, builder, beginChunk, command }: Writing & { command: WriteCommand },
  ): Promise<WriteSummary> {
    const atomic = command.onReject === 'fail';
    if (atomic && rows.length > MAX_CHUNK_ROWS)
      throw new ProblemError(
        problem('TOO_MANY_ROWS', `onReject=fail takes at most ${MAX_CHUNK_ROWS} rows, not ${rows.length}`),
      );
    for (let from = 0; from < rows.length; from += MAX_CHUNK_ROWS) {
      if (!run.hasFailed) await beginChunk();
      for (let at = from; at < Math.min(from + MAX_CHUNK_ROWS, rows.length); at += 1) {
        if (run.hasFailed) run.refuse();
        else run.add(builder.build(rows[at]));
      }
      if (atomic && run.hasFaults) return run.abandon();
      if (run.isChunkFull && !run.hasFailed) await run.flush();
    }
    return run.finish();
  }

  async #writeLines(
    portions: AsyncIterable<readonly StreamLine[]>,
    { run, builder, beginChunk, target }: Writing & { target: WriteTarget },
  ): Promise<WriteSummary> {
    let begun = false;
    for await (const lines of portions) {
      for (const line of lines) {
        if (!begun && !run.hasFailed) await beginChunk();
        begun = true;
        if (run.hasFailed) {
          if (line !== '') run.refuse();
          else run.skip();
          continue;
        }
        if (line === '') run.skip(line);
        else if (typeof line === 'string') run.add(buildLine(line, builder, target), line);
        else run.add(fail(line));
        if (!run.isChunkFull) continue;
        await run.flush();
        begun = false;
      }
    }
    return run.finish();
  }

  async #beginChunk(builder: RowBuilder): Promise<StampClock> {
    builder.setNowMs(this.#options.clock.nowMs());
    const { stamps } = this.#owner.owned();
    while (!stamps.beginChunk()) await stamps.reserve();
    return stamps;
  }

  #assertOpen(): void {
    if (this.#draining) throw new ProblemError(problem('SHUTTING_DOWN', 'the process is draining'));
  }

  #countRows({ group }: WriteTarget, summary: WriteSummary): void {
    const { metrics } = this.#options;
    metrics.count('featuremesh_rows_accepted_total', { group: group.id }, summary.accepted);
    if (summary.online === 'PENDING')
      metrics.count('featuremesh_rows_pending_total', { group: group.id }, summary.accepted);
    for (const { code } of summary.rejected)
      metrics.count('featuremesh_rows_rejected_total', { group: group.id, code });
  }
}

function buildLine(line: string, builder: RowBuilder, target: WriteTarget): ReturnType<RowBuilder['build']> {
  let row: unknown;
  try {
    row = parseRowsJson(line, target.int64);
  } catch {
    return fail(MALFORMED_LINE);
  }
  return builder.build(row);
}

/** A JSON body is hashed whole; of a stream, each chunk's lines, since it cannot be held. */
function hashingOf({
  idempotencyKey,
  body,
  nonFinite,
}: WriteCommand): ConstructorParameters<typeof WriteRun>[0]['hashing'] {
  if (idempotencyKey === undefined) return undefined;
  if (body.kind === 'json') return bodyHash({ nonFinite }).update(body.text).digest('base64url');
  return () => bodyHash({ nonFinite });
}
