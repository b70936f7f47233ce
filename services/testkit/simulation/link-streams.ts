import type { ControlMessage } from '@featuremesh/contracts/control-message';
import { MAX_LINK_BATCHES_IN_FLIGHT } from '@featuremesh/domain/limits';
import { OUT_LINK_SUBJECT, outSubject } from '@featuremesh/domain/subjects';
import type { ShipCursor } from '@featuremesh/sync/ports/link';
import type { ServerState } from './broker-calls.ts';
import { DurableStream } from './durable-stream.ts';
import type { SimulatedFaults } from './faults.ts';
import { PullDurable } from './pull-durable.ts';
import type { Scheduler } from './scheduler.ts';

/** As the real durables: time after which an unacknowledged message is sent again. */
const OUT_ACK_WAIT_MS = 2_000;
const CTL_ACK_WAIT_MS = 10_000;

/** A range of link_seqs that were removed. */
export interface RemovedRange {
  readonly from: number;
  readonly through: number;
}

/**
 * What the exporting region's broker keeps of one directed link: OUT, CTL, the ship cursors, the link epoch, and the two durables of the
 * peer. Survives every crash of both ends.
 */
export class LinkStreams {
  readonly from: string;
  readonly to: string;
  /** Encoded link messages, as they travel. */
  readonly out = new DurableStream<Uint8Array>();
  readonly control = new DurableStream<ControlMessage>();
  readonly cursors = new Map<string, ShipCursor>();
  readonly outDurable: PullDurable<Uint8Array>;
  readonly controlDurable: PullDurable<ControlMessage>;
  readonly faults: SimulatedFaults;
  linkEpoch: string;
  readonly #purged = new Map<string, RemovedRange>();
  readonly #broker: ServerState;
  #connected = true;

  constructor(parts: {
    from: string;
    to: string;
    linkEpoch: string;
    scheduler: Scheduler;
    faults: SimulatedFaults;
    broker: ServerState;
  }) {
    this.from = parts.from;
    this.to = parts.to;
    this.linkEpoch = parts.linkEpoch;
    this.faults = parts.faults;
    this.#broker = parts.broker;
    this.out.permitted = subject => subject === OUT_LINK_SUBJECT;
    const shared = {
      scheduler: parts.scheduler,
      faults: parts.faults,
      reachable: () => this.reachable,
    };
    this.outDurable = new PullDurable({
      ...shared,
      stream: this.out,
      ackWaitMs: OUT_ACK_WAIT_MS,
      maxPending: MAX_LINK_BATCHES_IN_FLIGHT,
      removeAcked: false,
    });
    this.controlDurable = new PullDurable({
      ...shared,
      stream: this.control,
      ackWaitMs: CTL_ACK_WAIT_MS,
      maxPending: 1,
      removeAcked: true,
    });
  }

  /** Whether the connection stands and the exporter's broker answers. */
  get reachable(): boolean {
    return this.#connected && this.#broker.up;
  }

  /** Cuts or mends the connection; what is on the way when it is cut is lost. */
  connect(connected: boolean): void {
    this.#connected = connected;
    this.wake();
  }

  /** Something about reachability changed. */
  wake(): void {
    this.outDurable.pump();
    this.controlDurable.pump();
  }

  /** Sets what OUT accepts and removes what is queued of other groups (R4); what was removed is told by `takePurged`. */
  permit(subjects: readonly string[]): void {
    const permitted = new Set([OUT_LINK_SUBJECT, ...subjects]);
    this.out.permitted = subject => permitted.has(subject);
    for (const subject of new Set(this.out.messages().map(message => message.subject))) {
      if (!permitted.has(subject)) this.#remove(subject.split('.').at(-1) ?? '');
    }
  }

  /** Removes what is queued of a group and gives the range of all that was removed of it, also by `permit`, once. */
  takePurged(groupId: string): RemovedRange | undefined {
    this.#remove(groupId);
    const range = this.#purged.get(groupId);
    this.#purged.delete(groupId);
    return range;
  }

  /** The agent's memory of what enforcement removed is gone with its process. */
  forgetPurged(): void {
    this.#purged.clear();
  }

  #remove(groupId: string): void {
    for (const { seq, subject } of this.out.messages()) {
      if (subject !== outSubject(groupId)) continue;
      this.out.remove(seq);
      const known = this.#purged.get(groupId);
      this.#purged.set(groupId, {
        from: Math.min(known?.from ?? seq, seq),
        through: Math.max(known?.through ?? seq, seq),
      });
    }
  }
}
