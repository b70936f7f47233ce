import { CONTROL_PROTOCOL_VERSION, type ControlMessage } from '@featuremesh/contracts/control-message';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { continues, type ViewEntry } from '@featuremesh/domain/catalogue-view';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { CompiledPolicy } from '../policy-compiler/compile.ts';
import type { OpenSnapshot } from '../ports/feed.ts';
import type { LinkIn, LinkOut } from '../ports/link.ts';
import type { RegionService } from '../ports/region-service.ts';
import type { Exporter } from './exporter.ts';
import type { Importer } from './importer.ts';
import {
  CATALOGUE_LOOK_MS,
  LOOP_WAIT_MS,
  MAX_CONTROL_PENDING,
  MAX_ENTRIES_PER_MESSAGE,
  POLICY_CONFIRM_INTERVAL_MS,
} from './limits.ts';

/** Version of the control contract that `hello` names. */
const CONTRACT_VERSION = 1;

/** Reasons that say that batches were missed just now. */
const MISSED_BATCHES: ReadonlySet<string> = new Set(['gap', 'broken-chain', 'link-epoch']);

/** What a control channel works with. */
export interface ControlParts {
  readonly self: RegionId;
  readonly peer: RegionId;
  readonly out: LinkOut;
  readonly link: LinkIn;
  readonly service: RegionService;
  readonly policy: () => CompiledPolicy;
  readonly exporter: Exporter;
  readonly importer: Importer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Both directions of control with one peer: own definitions and policy out, the peer's in, snapshot requests both ways (A5). */
export class ControlChannel {
  readonly #parts: ControlParts;
  #toldThrough = 0;
  #toldRevision = -1;
  #toldView: ViewEntry | undefined;
  #lookedAtMs = 0;
  #confirmedAtMs = 0;
  #tellAgain = false;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** Tells the peer what it lacks until the signal aborts. Everything is told again at the start of a session: entries are idempotent. */
  async tell(signal: AbortSignal, wait: (ms: number) => Promise<void>): Promise<void> {
    this.#forgetTold();
    const { linkEpoch } = await this.#parts.out.head();
    await this.#send({
      kind: 'hello',
      linkEpoch: linkEpoch === '' ? 'new' : linkEpoch,
      contractVersion: CONTRACT_VERSION,
    });
    while (!signal.aborted) {
      await this.#tellEntries();
      await this.#confirmPolicy();
      await wait(LOOP_WAIT_MS);
    }
  }

  /** Handles what the peer tells until the signal aborts; `onQuiet` is called whenever nothing waits. */
  async hear(signal: AbortSignal, onQuiet: () => void): Promise<void> {
    while (!signal.aborted) {
      const received = await this.#parts.link.nextControl(LOOP_WAIT_MS, signal);
      if (received === undefined) {
        onQuiet();
        continue;
      }
      if (received.message === undefined) {
        this.#parts.logger.warn(
          { peer: this.#parts.peer },
          'a control message of an unknown form was passed over',
        );
      } else {
        await this.#handle(received.message);
      }
      received.ack();
    }
  }

  /** Asks the peer for a snapshot. */
  async requestSnapshot(
    request: OpenSnapshot,
    reason: 'gap' | 'broken-chain' | 'link-epoch' | 'divergence',
  ): Promise<void> {
    await this.#send({
      kind: 'snapshot-request',
      requestId: request.requestId,
      groups: request.groups as SnapshotGroups,
      reason,
    });
  }

  /** Looks when the state changed, and once a second: what the peer may know also changes when a policy's date passes. */
  async #tellEntries(): Promise<void> {
    const { policy, clock } = this.#parts;
    const { revision } = policy();
    const nowMs = clock.nowMs();
    if (this.#tellAgain) this.#forgetTold();
    if (revision === this.#toldRevision && Math.abs(nowMs - this.#lookedAtMs) < CATALOGUE_LOOK_MS) return;
    await this.#tellNews();
    this.#toldRevision = revision;
    this.#lookedAtMs = nowMs;
  }

  async #tellNews(): Promise<void> {
    const { service, out, peer } = this.#parts;
    const told = this.#toldView;
    let { view, news } = publication(await service.ownEntries(peer, this.#toldThrough));
    const goesOn =
      view === undefined ? this.#toldThrough > 0 : told !== undefined && continues(told.view, view.view);
    if (!goesOn) {
      // What waits in CTL may tell what the peer may no longer know.
      await out.dropCatalogue();
      ({ view, news } = publication(await service.ownEntries(peer, 0)));
    }
    // A service that does not know the peer yet publishes nothing to it, not even a view.
    if (news.length === 0 && (goesOn || view === undefined)) return;
    // Every message carries the view, so that in any order of arrival nothing is taken that the newest one does not list (C2).
    const head = view === undefined ? [] : [view];
    const perMessage = MAX_ENTRIES_PER_MESSAGE - head.length;
    for (let at = 0; at === 0 || at < news.length; at += perMessage) {
      const some = news.slice(at, at + perMessage);
      const entries = [...head, ...some] as Extract<ControlMessage, { kind: 'catalogue' }>['entries'];
      await this.#send({ kind: 'catalogue', entries });
      this.#toldThrough = Math.max(this.#toldThrough, ...some.map(entry => entry.sequence));
    }
    this.#toldView = view;
  }

  #forgetTold(): void {
    this.#tellAgain = false;
    this.#toldThrough = 0;
    this.#toldRevision = -1;
    this.#toldView = undefined;
  }

  async #confirmPolicy(): Promise<void> {
    const { self, out, policy, clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (Math.abs(nowMs - this.#confirmedAtMs) < POLICY_CONFIRM_INTERVAL_MS) return;
    this.#confirmedAtMs = nowMs;
    if ((await out.controlPending()) > MAX_CONTROL_PENDING) return;
    const epoch = this.#toldView?.view.policyEpoch ?? policy().ownPolicyEpoch;
    await this.#send({ kind: 'policy-confirmed', home: self, epoch, atMs: nowMs });
  }

  async #handle(message: ControlMessage): Promise<void> {
    const { peer, service, exporter, importer } = this.#parts;
    switch (message.kind) {
      case 'hello':
        // The peer's agent began anew, perhaps on an empty registry: it is told everything again.
        this.#tellAgain = true;
        return;
      case 'catalogue':
        await service.importEntries(peer, message.entries as Parameters<RegionService['importEntries']>[1]);
        return;
      case 'policy-confirmed':
        if (message.home === peer)
          await service.confirmPolicy({ home: message.home, epoch: message.epoch, atMs: message.atMs });
        return;
      case 'snapshot-request':
        await this.#owe(message, exporter);
        return;
      case 'snapshot-declined':
        if (message.reason !== 'busy') importer.declined(message.requestId);
        return;
    }
  }

  async #owe(
    message: Extract<ControlMessage, { kind: 'snapshot-request' }>,
    exporter: Exporter,
  ): Promise<void> {
    const link = this.#parts.policy().links.get(this.#parts.peer);
    const permitted = message.groups.filter(group =>
      link?.exports.some(rule => rule.groupId === group.groupId && rule.version === group.version),
    );
    const { requestId } = message;
    // What the peer missed may have been of groups that it does not know yet and so cannot ask for.
    if (MISSED_BATCHES.has(message.reason)) await exporter.rewindAllBut(message.groups);
    if (permitted.length > 0 && exporter.snapshots.add({ requestId, groups: permitted })) return;
    const reason = permitted.length === 0 ? 'not-permitted' : 'busy';
    await this.#send({ kind: 'snapshot-declined', requestId, groups: message.groups, reason });
  }

  async #send(message: DistributiveOmit<ControlMessage, 'protocolVersion'>): Promise<void> {
    await this.#parts.out.publishControl({
      protocolVersion: CONTROL_PROTOCOL_VERSION,
      ...message,
    } as ControlMessage);
  }
}

function publication(entries: readonly CatalogueEntry[]): {
  readonly view: ViewEntry | undefined;
  readonly news: readonly CatalogueEntry[];
} {
  return {
    view: entries.find(entry => entry.kind === 'view'),
    news: entries.filter(entry => entry.kind !== 'view'),
  };
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** Ids were parsed where they entered; the wire schema's type is branded. */
type SnapshotGroups = Extract<ControlMessage, { kind: 'snapshot-request' }>['groups'];
