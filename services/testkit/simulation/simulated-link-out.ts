import type { ControlMessage } from '@featuremesh/contracts/control-message';
import {
  decodeLinkMessage,
  encodeLinkMessage,
  type LinkMessage,
} from '@featuremesh/contracts/link-batch-codec';
import { ctlSubject, OUT_LINK_SUBJECT, outSubject } from '@featuremesh/domain/subjects';
import type { LinkOut, OutHead, OutOutcome, ShipCursor } from '@featuremesh/sync/ports/link';
import type { BrokerCalls } from './broker-calls.ts';
import type { LinkStreams } from './link-streams.ts';

/** The exporting end of a link as one sync process sees it; keeps the contract of the JetStream adapter. */
export class SimulatedLinkOut implements LinkOut {
  readonly #streams: LinkStreams;
  readonly #calls: BrokerCalls;
  readonly #nowMs: () => number;

  constructor(streams: LinkStreams, calls: BrokerCalls, nowMs: () => number) {
    this.#streams = streams;
    this.#calls = calls;
    this.#nowMs = nowMs;
  }

  head(): Promise<OutHead> {
    return this.#calls.ask(() => {
      const { out, linkEpoch } = this.#streams;
      const stored = out.get(out.lastSeq);
      const decoded = stored === undefined ? undefined : decodeLinkMessage(stored.data);
      return { linkEpoch, lastSeq: out.lastSeq, last: decoded?.ok === true ? decoded.value : undefined };
    });
  }

  pending(): Promise<number> {
    return this.#calls.ask(() => this.#streams.outDurable.unacknowledged);
  }

  publish(message: LinkMessage): Promise<OutOutcome> {
    const { groupId, linkSeq } = message.envelope;
    const subject = groupId === '' ? OUT_LINK_SUBJECT : outSubject(groupId);
    const bytes = encodeLinkMessage(message);
    return this.#calls.append<OutOutcome>(() => {
      const { out } = this.#streams;
      if (!out.permitted(subject)) return 'refused';
      if (out.lastSeq !== linkSeq - 1) return 'fenced';
      out.append(subject, bytes, { storedAtMs: this.#nowMs() });
      return 'stored';
    }, 'unknown');
  }

  purgeGroup(groupId: string): Promise<{ from: number; through: number } | undefined> {
    return this.#calls.ask(() => this.#streams.takePurged(groupId));
  }

  setLinkEpoch(linkEpoch: string): Promise<void> {
    return this.#calls.ask(() => {
      this.#streams.linkEpoch = linkEpoch;
    });
  }

  trim(): Promise<void> {
    return this.#calls.ask(() => {
      const { out, outDurable } = this.#streams;
      out.trimBelow(Math.min(outDurable.ackFloor + 1, out.lastSeq));
    });
  }

  cursors(): Promise<ReadonlyMap<string, ShipCursor>> {
    return this.#calls.ask(() => new Map(this.#streams.cursors));
  }

  saveCursor(groupId: string, cursor: ShipCursor): Promise<void> {
    return this.#calls.ask(() => {
      this.#streams.cursors.set(groupId, cursor);
    });
  }

  publishControl(message: ControlMessage): Promise<void> {
    return this.#calls.ask(() => {
      this.#streams.control.append(ctlSubject(message.kind), message, { storedAtMs: this.#nowMs() });
    });
  }

  dropCatalogue(): Promise<void> {
    return this.#calls.ask(() => {
      const { control } = this.#streams;
      for (const { seq, subject } of control.messages())
        if (subject === ctlSubject('catalogue')) control.remove(seq);
    });
  }

  controlPending(): Promise<number> {
    return this.#calls.ask(() => this.#streams.controlDurable.unacknowledged);
  }
}
