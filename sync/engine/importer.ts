import {
  decodeLinkRows,
  type LinkMessage,
  linkBatchHash,
  rowHashSum,
} from '@featuremesh/contracts/link-batch-codec';
import { type ChunkRow, encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { MAX_CLOCK_SKEW_MS } from '@featuremesh/domain/limits';
import { rowEventTimeUs, rowOrigin, rowRevision } from '@featuremesh/domain/packed-row';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { TraceSpan, Tracing } from '@featuremesh/runtime/tracing';
import type { CompiledPolicy } from '../policy-compiler/compile.ts';
import type { FeedSink, HeldReason, ImportAppend } from '../ports/feed.ts';
import type { LinkIn, Received } from '../ports/link.ts';
import { HeldBatches } from './held-rows.ts';
import { ImportCursorKeeper } from './import-cursor.ts';
import { GAP_PATIENCE_MS, IDLE_CURSOR_INTERVAL_MS, LOOP_WAIT_MS } from './limits.ts';
import { type ChainPosition, judgeBatch, positionAfter } from './link-chain.ts';
import { OpenSnapshots, type SnapshotRequester } from './open-snapshots.ts';
import { ReorderBuffer } from './reorder-buffer.ts';
import { StoreRefills, type StoreRefillsParts } from './store-refills.ts';
import { WithheldPositions } from './withheld-positions.ts';

/** What an importer works with; all that is not deterministic comes from here. */
export interface ImporterParts {
  readonly self: RegionId;
  readonly peer: RegionId;
  readonly link: LinkIn;
  readonly sink: FeedSink;
  readonly policy: () => CompiledPolicy;
  readonly service: StoreRefillsParts['service'];
  /** Sends a snapshot request over the reverse direction's CTL. */
  readonly requestSnapshot: SnapshotRequester;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracing?: Tracing | undefined;
}

/** What becomes of the rows of one batch. */
export type RowsVerdict =
  | { readonly kind: 'append'; readonly rows: readonly ChunkRow[] }
  | { readonly kind: 'hold'; readonly reason: HeldReason }
  | { readonly kind: 'refuse' };

/** Judges the rows of a batch: policy per origin, version known, event times within bound (A5, A6). Pure. */
export function judgeRows(
  message: LinkMessage,
  world: { peer: RegionId; policy: CompiledPolicy; nowMs: number },
): RowsVerdict {
  const { envelope } = message;
  const decoded = decodeLinkRows(message.body);
  if (
    !decoded.ok ||
    decoded.value.length !== envelope.rows ||
    rowHashSum(decoded.value) !== envelope.rowHashSum
  ) {
    return { kind: 'hold', reason: 'poison' };
  }
  const { groupId, version } = envelope;
  const latestUs = BigInt(world.nowMs + MAX_CLOCK_SKEW_MS) * 1_000n;
  const kept: ChunkRow[] = [];
  for (const entry of decoded.value) {
    const origin = rowOrigin(entry.row);
    if (envelope.kind === 'live' && origin !== world.peer) return { kind: 'refuse' };
    const judgement = world.policy.judgeImport({
      groupId,
      version,
      origin,
      packedBy: rowRevision(entry.row),
    });
    if (judgement === 'unknown') return { kind: 'hold', reason: 'unknown-version' };
    if (judgement === 'refuse') {
      if (envelope.kind === 'live') return { kind: 'refuse' };
      continue;
    }
    if (rowEventTimeUs(entry.row) > latestUs) return { kind: 'hold', reason: 'future-event-time' };
    kept.push(entry);
  }
  return { kind: 'append', rows: kept };
}

/**
 * The importing end of one link: takes batches in chain order, judges them by this region's own policy, and appends their rows,
 * bytes unchanged, to the local FEED. Its cursor is the header of the last message there, so a crash anywhere repeats or continues.
 */
export class Importer {
  readonly #parts: ImporterParts;
  readonly #cursor: ImportCursorKeeper;
  readonly #ahead = new ReorderBuffer();
  readonly #open: OpenSnapshots;
  readonly #held: HeldBatches;
  readonly #withheld = new WithheldPositions();
  readonly #refills: StoreRefills;
  #unstored: Received<LinkMessage>[] = [];
  #storedAtMs = 0;
  #knownAsOfMs: number | null = null;
  #gaps = 0;
  #importedRows = 0;
  #refusedBatches = 0;

  constructor(parts: ImporterParts) {
    this.#parts = parts;
    this.#cursor = new ImportCursorKeeper(parts.peer, parts.sink);
    this.#open = new OpenSnapshots(parts);
    this.#held = new HeldBatches(parts);
    this.#refills = new StoreRefills(parts);
  }

  /** Counters, for status. `lagMs` is how long ago the peer's state is known here; null where it is not known (S6). */
  status(): {
    linkEpoch: string;
    linkSeq: number;
    lagMs: number | null;
    gaps: number;
    heldBatches: number;
    importedRows: number;
    refusedBatches: number;
    pendingBatches: number;
  } {
    const at = this.#cursor.position;
    const nowMs = this.#parts.clock.nowMs();
    return {
      linkEpoch: at?.linkEpoch ?? '',
      linkSeq: at?.linkSeq ?? 0,
      lagMs: this.#knownAsOfMs === null ? null : Math.max(1, nowMs - this.#knownAsOfMs),
      gaps: this.#gaps,
      heldBatches: this.#held.count,
      importedRows: this.#importedRows,
      refusedBatches: this.#refusedBatches,
      pendingBatches: this.#ahead.size,
    };
  }

  /** A snapshot that was asked for will not come: the peer declined it. */
  declined(requestId: string): void {
    this.#open.drop(requestId);
    this.#refills.declined();
  }

  /** Imports until the signal aborts; throws where the session has to begin anew. */
  async session(signal: AbortSignal): Promise<void> {
    this.#ahead.clear();
    this.#withheld.clear();
    this.#unstored = [];
    await this.#cursor.read();
    this.#open.restore(this.#cursor.open);
    this.#storedAtMs = this.#parts.clock.nowMs();
    await this.#held.restore();
    while (!signal.aborted) {
      const received = await this.#parts.link.nextBatch(LOOP_WAIT_MS, signal);
      if (received !== undefined) await this.#receive(received);
      await this.#takeAhead();
      await this.#housekeeping();
    }
    await this.#storeIdle();
  }

  async #receive(received: Received<LinkMessage>): Promise<void> {
    if (received.message === undefined) {
      await this.#poison(received);
      return;
    }
    const verdict = judgeBatch(this.#cursor.position, received.message.envelope);
    if (verdict.kind === 'duplicate') this.#again(received, received.message);
    else if (verdict.kind === 'next') await this.#accept(received, received.message);
    else if (!this.#ahead.add(received, this.#parts.clock.nowMs())) received.retry(GAP_PATIENCE_MS);
  }

  /** A batch seen before is acknowledged only where the cursor behind it is stored: else a restart would miss it. */
  #again(received: Received<LinkMessage>, message: LinkMessage): void {
    if (!this.#cursor.isStored(message.envelope)) return;
    received.ack();
  }

  /** Accepts what waits in the buffer: what became next, and, once patience has run out, the first behind a gap. */
  async #takeAhead(): Promise<void> {
    for (let first = this.#ahead.first(); first !== undefined; first = this.#ahead.first()) {
      const verdict = judgeBatch(this.#cursor.position, first.message.envelope);
      if (verdict.kind === 'duplicate') {
        this.#ahead.take();
        this.#again(first.received, first.message);
        continue;
      }
      if (verdict.kind !== 'next' && !this.#mayCrossGap(first.sinceMs)) return;
      this.#ahead.take();
      if (
        verdict.kind !== 'next' &&
        !this.#ahead.purgeExplains(this.#cursor.position, first.message.envelope)
      ) {
        await this.#noteGap(verdict.kind === 'gap' ? verdict.reason : 'gap');
      }
      await this.#accept(first.received, first.message);
    }
  }

  #mayCrossGap(sinceMs: number): boolean {
    return Math.abs(this.#parts.clock.nowMs() - sinceMs) >= GAP_PATIENCE_MS;
  }

  /** Noticed before the next batch is applied (S6): until the snapshot is here, nothing is said to be known. */
  async #noteGap(reason: 'gap' | 'broken-chain' | 'link-epoch'): Promise<void> {
    this.#gaps++;
    this.#knownAsOfMs = null;
    const groups = this.#importable();
    this.#parts.logger.warn(
      { peer: this.#parts.peer, reason, groups: groups.length },
      'batches are missing on the link; asking for a snapshot',
    );
    await this.#open.request(groups, reason);
  }

  async #accept(received: Received<LinkMessage>, message: LinkMessage): Promise<void> {
    const { envelope } = message;
    const next = positionAfter(this.#cursor.position, {
      linkEpoch: envelope.linkEpoch,
      linkSeq: envelope.linkSeq,
      hash: linkBatchHash(message),
    });
    if (envelope.kind === 'progress') {
      this.#cursor.advance(next);
      this.#unstored.push(received);
      this.#progress(envelope.sentAtMs);
      return;
    }
    const span = this.#span(received.traceparent, envelope);
    const rows = envelope.groupId === '' ? undefined : await this.#judge(received, message);
    if (envelope.snapshot?.last === true && this.#permits(envelope))
      this.#open.finished(envelope.snapshot.requestId, envelope);
    else if (envelope.snapshot !== undefined) this.#open.touched(envelope.snapshot.requestId);
    await this.#store(next, {
      ...(rows === undefined || rows.length === 0
        ? {}
        : { rows: { groupId: envelope.groupId, version: envelope.version, body: encodeFeedChunk(rows) } }),
      origin: envelope.origin,
      feedEpoch: envelope.feedEpoch,
      ...this.#covered(envelope),
      sentAtMs: envelope.sentAtMs,
      ...(span === undefined ? {} : { traceparent: span.traceparent }),
    });
    if (envelope.snapshot?.last === true) this.#refills.arrived(envelope, this.#cursor.sequence);
    span?.end();
    this.#importedRows += rows?.length ?? 0;
    received.ack();
  }

  #span(traceparent: string | undefined, envelope: LinkMessage['envelope']): TraceSpan | undefined {
    if (traceparent === undefined) return undefined;
    return this.#parts.tracing?.follow('link.import', [traceparent], {
      'featuremesh.peer': this.#parts.peer,
      'featuremesh.group': envelope.groupId,
      'featuremesh.version': envelope.version,
      'featuremesh.rows': envelope.rows,
    });
  }

  /** What a batch may claim to cover: nothing while rows before it, or other pages of its snapshot, are missing here. */
  #covered(envelope: LinkMessage['envelope']): Pick<ImportAppend, 'appenders' | 'watermarks'> {
    if (envelope.groupId !== '' && !this.#isComplete(envelope.groupId)) {
      this.#withheld.note(envelope);
      return { appenders: {}, watermarks: [] };
    }
    const covered = Object.entries(envelope.appenders).map(([slot, [, last]]) => [slot, last]);
    return { appenders: Object.fromEntries(covered), watermarks: envelope.snapshot?.watermarks ?? [] };
  }

  async #judge(
    received: Received<LinkMessage>,
    message: LinkMessage,
  ): Promise<readonly ChunkRow[] | undefined> {
    const { peer, policy, clock, logger } = this.#parts;
    const verdict = judgeRows(message, { peer, policy: policy(), nowMs: clock.nowMs() });
    switch (verdict.kind) {
      case 'append':
        return verdict.rows;
      case 'refuse':
        this.#refusedBatches++;
        this.#missed(message.envelope);
        logger.warn({ peer, group: message.envelope.groupId }, 'a batch was refused by policy');
        return undefined;
      case 'hold':
        await this.#hold(received, message.envelope, verdict.reason);
        // Nobody mends poison here: its rows have to come again.
        if (verdict.reason === 'poison') this.#missed(message.envelope);
        return undefined;
    }
  }

  async #hold(
    received: Received<LinkMessage>,
    at: { linkEpoch: string; linkSeq: number },
    reason: HeldReason,
  ): Promise<void> {
    const { peer, sink, logger } = this.#parts;
    await sink.hold({ peer, linkEpoch: at.linkEpoch, linkSeq: at.linkSeq, reason, bytes: received.bytes });
    this.#held.add();
    this.#knownAsOfMs = null;
    logger.warn({ peer, reason }, 'a batch was set aside');
  }

  /** Bytes that are no batch: kept for a person, and the hole that they leave in the chain asks for a snapshot. */
  async #poison(received: Received<LinkMessage>): Promise<void> {
    const linkEpoch = this.#cursor.position?.linkEpoch ?? '';
    await this.#hold(received, { linkEpoch, linkSeq: received.seq }, 'poison');
    received.ack();
  }

  /** Appends rows or the cursor alone; what waited for a stored cursor is acknowledged afterwards. */
  async #store(
    next: ChainPosition,
    message: Omit<ImportAppend, 'peer' | 'cursor' | 'expectedSequence'>,
  ): Promise<void> {
    const claimed = this.#withheld.take(groupId => this.#isComplete(groupId));
    const refused = await this.#cursor.store(
      { ...chainFields(next), open: this.#open.list() },
      { ...message, watermarks: [...message.watermarks, ...claimed] },
    );
    if (refused && message.rows !== undefined) {
      // The policy is known here and not yet in force at the broker: the rows are gone, so they are asked for anew.
      this.#refusedBatches++;
      this.#missed(message.rows);
      const { rows: _, ...rest } = message;
      const nothing = { ...rest, appenders: {}, watermarks: [] };
      await this.#cursor.store({ ...chainFields(next), open: this.#open.list() }, nothing);
    }
    this.#storedAtMs = this.#parts.clock.nowMs();
    for (const waiting of this.#unstored.splice(0)) waiting.ack();
  }

  #missed({ groupId, version }: { groupId: string; version: number }): void {
    this.#open.missed({ groupId, version });
  }

  /** Whether all that the peer sent of a group before now is in the local log. */
  #isComplete(groupId: string): boolean {
    return this.#held.count === 0 && !this.#open.awaits(groupId);
  }

  #importable(): readonly { readonly groupId: string; readonly version: number }[] {
    return this.#parts.policy().importable(this.#parts.peer);
  }

  #permits({ groupId, version }: { groupId: string; version: number }): boolean {
    return this.#importable().some(group => group.groupId === groupId && group.version === version);
  }

  #progress(sentAtMs: number): void {
    const { peer, sink } = this.#parts;
    if (this.#held.count > 0 || this.#open.awaitsAny(this.#importable()) || this.#ahead.size > 0) return;
    this.#knownAsOfMs = sentAtMs;
    sink.progress({ peer, knownAsOfMs: sentAtMs, throughSequence: this.#cursor.sequence });
  }

  /** Stores the cursor for what moved it without rows, so that it can be acknowledged. */
  async #storeIdle(): Promise<void> {
    const position = this.#cursor.position;
    if (position === undefined || this.#unstored.length === 0) return;
    await this.#storeNothing(position);
  }

  /** Stores the cursor alone. */
  async #storeNothing(position: ChainPosition): Promise<void> {
    const { peer, clock } = this.#parts;
    const sentAtMs = clock.nowMs();
    await this.#store(position, { origin: peer, feedEpoch: '', appenders: {}, watermarks: [], sentAtMs });
  }

  async #housekeeping(): Promise<void> {
    await this.#open.remind(this.#importable());
    await this.#open.request(this.#refills.take(this.#importable()), 'divergence');
    if (Math.abs(this.#parts.clock.nowMs() - this.#storedAtMs) >= IDLE_CURSOR_INTERVAL_MS)
      await this.#storeIdle();
    const position = this.#cursor.position;
    if (position === undefined) return;
    this.#importedRows += await this.#held.look({
      store: message => this.#store(this.#cursor.position ?? position, message),
      released: envelope => this.#withheld.note(envelope),
      refused: group => this.#missed(group),
    });
    if (this.#held.count === 0 && this.#withheld.size > 0) await this.#storeNothing(position);
  }
}

function chainFields({ linkEpoch, linkSeq, hash, retired }: ChainPosition): ChainPosition {
  return { linkEpoch, linkSeq, hash, retired };
}
