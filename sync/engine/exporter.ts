import {
  encodeLinkRows,
  type LinkMessage,
  linkBatchHash,
  rowHashSum,
} from '@featuremesh/contracts/link-batch-codec';
import {
  FIRST_PREVIOUS_HASH,
  LINK_PROTOCOL_VERSION,
  type LinkEnvelope,
} from '@featuremesh/contracts/link-envelope';
import { type ChunkRow, decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { MAX_LINK_BATCH_ROWS, MAX_LINK_BATCHES_IN_FLIGHT } from '@featuremesh/domain/limits';
import { rowOrigin } from '@featuremesh/domain/packed-row';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { TraceSpan, Tracing } from '@featuremesh/runtime/tracing';
import type { CompiledPolicy, ExportedVersion } from '../policy-compiler/compile.ts';
import type { FeedChunk, FeedSource } from '../ports/feed.ts';
import type { LinkOut } from '../ports/link.ts';
import type { RegionService, SnapshotPage } from '../ports/region-service.ts';
import { clockRange, coveredRanges } from './batch-ranges.ts';
import { GroupTails } from './group-tails.ts';
import {
  LOOP_WAIT_MS,
  PENDING_INTERVAL_MS,
  PROGRESS_INTERVAL_MS,
  SNAPSHOT_RETRY_MS,
  STORE_PATIENCE_MS,
  TRIM_INTERVAL_MS,
} from './limits.ts';
import { type GroupRange, PublishedGroups } from './published-groups.ts';
import { SnapshotQueue, type SnapshotTurn } from './snapshot-queue.ts';

/** What an exporter works with; all that is not deterministic comes from here. */
export interface ExporterParts {
  readonly self: RegionId;
  readonly peer: RegionId;
  readonly out: LinkOut;
  readonly feed: FeedSource;
  readonly service: Pick<RegionService, 'snapshotPage'>;
  readonly policy: () => CompiledPolicy;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracing?: Tracing | undefined;
}

/** What a broker's refusal, a lost answer or a fence mean: the session ends and begins anew from what OUT says. */
class ExportInterrupted extends Error {
  readonly outcome: 'fenced' | 'refused' | 'unknown';

  constructor(outcome: 'fenced' | 'refused' | 'unknown') {
    super(`publishing to OUT ended as ${outcome}`);
    this.name = 'ExportInterrupted';
    this.outcome = outcome;
  }
}

/**
 * The exporting end of one link: ships this region's own rows of permitted groups, and snapshots that the peer asked for, as one
 * chain of numbered batches. Policy is asked at ship time; backlog stays in FEED, at most a window of batches in OUT (A5).
 */
export class Exporter {
  readonly #parts: ExporterParts;
  readonly #tails: GroupTails;
  readonly snapshots = new SnapshotQueue();
  #linkEpoch = '';
  #lastSeq = 0;
  #lastHash = FIRST_PREVIOUS_HASH;
  #pending = 0;
  #pendingReadAtMs = 0;
  #trimmedAtMs = 0;
  #progressAtMs = 0;
  readonly #published = new PublishedGroups();
  #purged: GroupRange[] = [];
  #purgedAny = false;
  #shippedRows = 0;
  #refusedBatches = 0;

  constructor(parts: ExporterParts) {
    this.#parts = parts;
    this.#tails = new GroupTails(parts.feed, parts.out);
  }

  /** Counters and chain position, for status. */
  status(): {
    linkEpoch: string;
    linkSeq: number;
    pendingBatches: number;
    shippedRows: number;
    refusedBatches: number;
  } {
    return {
      linkEpoch: this.#linkEpoch,
      linkSeq: this.#lastSeq,
      pendingBatches: this.#pending,
      shippedRows: this.#shippedRows,
      refusedBatches: this.#refusedBatches,
    };
  }

  /** Ships until the signal aborts; throws where the session has to begin anew. */
  async session(signal: AbortSignal): Promise<void> {
    await this.#open();
    try {
      while (!signal.aborted) {
        const { peer, out } = this.#parts;
        const policy = this.#parts.policy();
        const link = policy.links.get(peer);
        for (const left of await this.#tails.follow(link?.exports ?? [])) await this.#purge(left);
        if (this.#purgedAny) await this.#beginEpoch();
        await this.#housekeeping(out);
        if (this.#pending >= MAX_LINK_BATCHES_IN_FLIGHT) {
          await this.#parts.timer.sleep(PENDING_INTERVAL_MS / 10, signal);
          continue;
        }
        const shipped = (await this.#shipSnapshotPage()) || (await this.#shipLive());
        if (shipped) continue;
        if (link !== undefined) await this.#progress(policy);
        await this.#parts.feed.arrival(LOOP_WAIT_MS, signal);
      }
    } finally {
      await this.#tails.close();
    }
  }

  /**
   * The peer missed batches and asks for these groups only: of every other one that it is sent, which it may not know yet, the log is
   * shipped again from its start. Stored when it resolves.
   */
  async rewindAllBut(groups: readonly { readonly groupId: string }[]): Promise<void> {
    const asked = new Set(groups.map(({ groupId }) => groupId));
    const exports = this.#parts.policy().links.get(this.#parts.peer)?.exports ?? [];
    await this.#tails.rewind(
      [...new Set(exports.map(({ groupId }) => groupId))].filter(id => !asked.has(id)),
    );
  }

  /** Finds the end of the chain; begins a new link epoch where the last message is gone and its hash with it. */
  async #open(): Promise<void> {
    const head = await this.#parts.out.head();
    this.#linkEpoch = head.linkEpoch;
    this.#lastSeq = head.lastSeq;
    this.#pendingReadAtMs = 0;
    if (head.last === undefined) {
      this.#lastHash = FIRST_PREVIOUS_HASH;
      await (head.lastSeq === 0 ? this.#announceEpoch(null) : this.#beginEpoch());
      return;
    }
    this.#lastHash = linkBatchHash(head.last);
    if (head.last.envelope.linkEpoch !== head.linkEpoch)
      await this.#announceEpoch(head.last.envelope.linkEpoch);
  }

  async #purge(groupId: string): Promise<void> {
    const range = await this.#parts.out.purgeGroup(groupId);
    if (range === undefined) return;
    this.#purgedAny = true;
    this.#purged.push(...this.#published.within({ groupId, ...range }));
  }

  async #beginEpoch(): Promise<void> {
    const previous = this.#linkEpoch;
    this.#linkEpoch = this.#parts.random.base32(16);
    await this.#parts.out.setLinkEpoch(this.#linkEpoch);
    await this.#announceEpoch(previous);
  }

  async #announceEpoch(previousEpoch: string | null): Promise<void> {
    const previousHead = this.#lastSeq === 0 ? null : { linkSeq: this.#lastSeq, hash: this.#lastHash };
    const purged = this.#purged;
    this.#lastHash = FIRST_PREVIOUS_HASH;
    await this.#publish({ kind: 'epoch', epoch: { previousEpoch, previousHead, purged } }, []);
    this.#purged = [];
    this.#purgedAny = false;
  }

  async #housekeeping(out: LinkOut): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    const due = Math.abs(nowMs - this.#pendingReadAtMs) >= PENDING_INTERVAL_MS;
    if (due || this.#pending >= MAX_LINK_BATCHES_IN_FLIGHT) {
      this.#pending = await out.pending();
      this.#pendingReadAtMs = nowMs;
    }
    if (Math.abs(nowMs - this.#trimmedAtMs) >= TRIM_INTERVAL_MS) {
      this.#trimmedAtMs = nowMs;
      await out.trim();
      await this.#tails.audit();
      // An overrun is not asked for again by anyone: until its snapshot is out, a restart must find it again.
      await this.#tails.saveCursors(groupId => this.snapshots.owes(groupId));
    }
  }

  /** One batch of the next group in turn: chunks of one version up to the row limit. */
  async #shipLive(): Promise<boolean> {
    const tail = this.#tails.next();
    if (tail === undefined) return false;
    const first = tail.peek();
    if (first === undefined) return false;
    const rule = this.#ruleOf(first.groupId, first.version);
    const taken: FeedChunk[] = [];
    const rows: ChunkRow[] = [];
    for (
      let chunk = tail.peek();
      chunk !== undefined && chunk.version === first.version;
      chunk = tail.peek()
    ) {
      const more = decodeFeedChunk(chunk.body);
      if (rows.length > 0 && rows.length + more.length > MAX_LINK_BATCH_ROWS) break;
      rows.push(...more);
      taken.push(chunk);
      tail.take();
    }
    if (rule !== undefined) {
      const { feed, self } = this.#parts;
      const appenders = coveredRanges(taken);
      await this.#publish(
        { kind: 'live', ...groupFields(rule), origin: self, feedEpoch: feed.feedEpoch, appenders },
        rows,
        taken,
      );
      this.#shippedRows += rows.length;
    }
    this.#tails.shipped(first.groupId, taken);
    return true;
  }

  async #shipSnapshotPage(): Promise<boolean> {
    const turn = this.#snapshots();
    if (turn === undefined) return false;
    const rule = this.#ruleOf(turn.groupId, turn.version);
    if (rule === undefined) {
      this.snapshots.drop(turn);
      return true;
    }
    const { policy, peer } = this.#parts;
    const page = await this.#snapshotPage(turn);
    if (page === undefined) {
      this.snapshots.defer(turn, this.#parts.clock.nowMs() + SNAPSHOT_RETRY_MS);
      return false;
    }
    if (turn.after === undefined && !this.#isApplied(turn.groupId, page.watermarks)) {
      this.snapshots.defer(turn, this.#parts.clock.nowMs() + STORE_PATIENCE_MS);
      return false;
    }
    const rows = decodeFeedChunk(page.body).filter(({ row }) =>
      policy().mayShip({ groupId: turn.groupId, version: turn.version, origin: rowOrigin(row) }, peer),
    );
    const watermarks = turn.watermarks ?? page.watermarks;
    const last = page.next === undefined;
    const snapshot = { requestId: turn.requestId, last, watermarks: last ? [...watermarks] : [] };
    await this.#publish({ kind: 'snapshot', ...groupFields(rule), snapshot }, rows);
    this.#shippedRows += rows.length;
    this.snapshots.advance(turn, page.next, watermarks);
    return true;
  }

  /** Undefined where the region's store gives none now, as while it is rebuilt: live rows do not wait for that. */
  async #snapshotPage({ groupId, version, after }: SnapshotTurn): Promise<SnapshotPage | undefined> {
    const { service, logger, peer } = this.#parts;
    const from = after === undefined ? {} : { after };
    try {
      return await service.snapshotPage({ groupId, version, limit: MAX_LINK_BATCH_ROWS, ...from });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      logger.info({ peer, groupId, err: error }, 'a page of a snapshot cannot be read now');
      return undefined;
    }
  }

  #snapshots() {
    for (const group of this.#tails.overrun())
      this.snapshots.add({ requestId: `overrun-${this.#parts.random.base32(8)}`, groups: [group] });
    return this.snapshots.due(this.#parts.clock.nowMs());
  }

  #isApplied(groupId: string, watermarks: readonly Position[]): boolean {
    const { self, feed } = this.#parts;
    const own = watermarks.filter(({ origin, feedEpoch }) => origin === self && feedEpoch === feed.feedEpoch);
    return this.#tails.isApplied(groupId, own);
  }

  /**
   * Says "all that was accepted here before this moment is in OUT", where that is so. `followed` is the policy whose groups are followed:
   * before the peer is known, and while another policy is taken over, there may be groups that nobody looks at yet.
   */
  async #progress(followed: CompiledPolicy): Promise<void> {
    if (this.#parts.policy() !== followed) return;
    const nowMs = this.#parts.clock.nowMs();
    if (Math.abs(nowMs - this.#progressAtMs) < PROGRESS_INTERVAL_MS) return;
    if (this.snapshots.isOwing() || !(await this.#tails.audit())) return;
    this.#progressAtMs = nowMs;
    await this.#publish({ kind: 'progress', sentAtMs: nowMs }, []);
  }

  #ruleOf(groupId: string, version: number): ExportedVersion | undefined {
    const { policy, peer } = this.#parts;
    return policy()
      .links.get(peer)
      ?.exports.find(rule => rule.groupId === groupId && rule.version === version);
  }

  async #publish(
    fields: Partial<LinkEnvelope> & Pick<LinkEnvelope, 'kind'>,
    rows: readonly ChunkRow[],
    chunks: readonly FeedChunk[] = [],
  ): Promise<void> {
    const envelope: LinkEnvelope = {
      protocolVersion: LINK_PROTOCOL_VERSION,
      linkEpoch: this.#linkEpoch,
      linkSeq: this.#lastSeq + 1,
      previousHash: this.#lastHash,
      groupId: '',
      version: 0,
      schemaHash: '',
      policyEpoch: '',
      origin: this.#parts.self,
      feedEpoch: '',
      appenders: {},
      rows: rows.length,
      rowHashSum: rowHashSum(rows),
      ...clockRange(rows),
      sentAtMs: this.#parts.clock.nowMs(),
      ...fields,
    };
    const message: LinkMessage = {
      envelope,
      body: rows.length === 0 ? new Uint8Array() : encodeLinkRows(rows),
    };
    const span = this.#parts.tracing && exportSpan(this.#parts.tracing, this.#parts.peer, envelope, chunks);
    const outcome = await this.#parts.out.publish(message, span?.traceparent);
    span?.end(outcome === 'stored' ? undefined : 'LOG_UNAVAILABLE');
    if (outcome !== 'stored') {
      if (outcome === 'refused') this.#refusedBatches++;
      throw new ExportInterrupted(outcome);
    }
    this.#published.note(envelope.linkSeq, envelope.groupId);
    this.#lastSeq = envelope.linkSeq;
    this.#lastHash = linkBatchHash(message);
    this.#pending++;
  }
}

function groupFields(
  rule: ExportedVersion,
): Pick<LinkEnvelope, 'groupId' | 'version' | 'schemaHash' | 'policyEpoch'> {
  return {
    groupId: rule.groupId,
    version: rule.version,
    schemaHash: rule.schemaHash,
    policyEpoch: rule.policyEpoch,
  };
}

/** A batch continues the trace of the first sampled write in it and is linked to the others. */
function exportSpan(
  tracing: Tracing,
  peer: RegionId,
  { groupId, version, rows }: LinkEnvelope,
  chunks: readonly FeedChunk[],
): TraceSpan | undefined {
  return tracing.follow(
    'link.export',
    chunks.map(({ traceparent }) => traceparent),
    {
      'featuremesh.peer': peer,
      'featuremesh.group': groupId,
      'featuremesh.version': version,
      'featuremesh.rows': rows,
      'featuremesh.chunks': chunks.length,
    },
  );
}
