import type { DurableStream, StreamMessage } from './durable-stream.ts';
import type { SimulatedFaults } from './faults.ts';
import type { Scheduler } from './scheduler.ts';

/** What a durable works with; `reachable` says whether the link and the exporter's broker are up. */
export interface PullDurableParts<T> {
  readonly stream: DurableStream<T>;
  readonly scheduler: Scheduler;
  readonly faults: SimulatedFaults;
  readonly reachable: () => boolean;
  readonly ackWaitMs: number;
  readonly maxPending: number;
  /** Work-queue retention: what is acknowledged is removed. */
  readonly removeAcked: boolean;
}

/**
 * A pull consumer at the exporter's broker: it survives its clients, delivers again what was not acknowledged within the wait, and
 * keeps a bounded number on the way. Deliveries and acknowledgements travel over the faulty link.
 */
export class PullDurable<T> {
  readonly #parts: PullDurableParts<T>;
  /** Delivered and not acknowledged → what ends its wait. */
  readonly #pending = new Map<number, () => void>();
  #again: number[] = [];
  #deliveredThrough = 0;
  #subscriber: ((message: StreamMessage<T>) => void) | undefined;

  constructor(parts: PullDurableParts<T>) {
    this.#parts = parts;
    parts.stream.onAppend(() => this.pump());
  }

  /** Messages stored and not acknowledged. */
  get unacknowledged(): number {
    const { stream } = this.#parts;
    let count = [...this.#pending.keys()].filter(seq => stream.get(seq) !== undefined).length;
    for (let next = stream.next(this.#deliveredThrough); next !== undefined; next = stream.next(next.seq))
      count++;
    return count;
  }

  /** Everything up to here is acknowledged or gone. */
  get ackFloor(): number {
    let floor = this.#deliveredThrough;
    for (const seq of this.#pending.keys()) floor = Math.min(floor, seq - 1);
    return floor;
  }

  /** Sends to this subscriber from now on, in place of any other; the result ends it. */
  subscribe(subscriber: (message: StreamMessage<T>) => void): () => void {
    this.#subscriber = subscriber;
    this.pump();
    return () => {
      if (this.#subscriber === subscriber) this.#subscriber = undefined;
    };
  }

  /** Takes effect after a link delay, where it arrives. */
  ack(seq: number): void {
    const { faults, removeAcked, stream } = this.#parts;
    this.#overLink(faults.loses() ? 0 : 1, () => {
      if (!this.#pending.has(seq)) return;
      this.#forget(seq);
      if (removeAcked) stream.remove(seq);
      this.pump();
    });
  }

  /** Asks for the message again after `delayMs`. */
  retry(seq: number, delayMs: number): void {
    this.#overLink(this.#parts.faults.loses() ? 0 : 1, () => {
      if (this.#pending.has(seq)) this.#await(seq, delayMs);
    });
  }

  /** Delivers what may go; called when something changed: an append, an acknowledgement, the link. */
  pump(): void {
    const { stream, maxPending, reachable, ackWaitMs } = this.#parts;
    while (this.#subscriber !== undefined && reachable()) {
      const seq = this.#again.shift();
      if (seq !== undefined) {
        const message = stream.get(seq);
        if (message === undefined) this.#forget(seq);
        else if (this.#pending.has(seq)) {
          this.#await(seq, ackWaitMs);
          this.#send(message, this.#subscriber);
        }
        continue;
      }
      if (this.#pending.size >= maxPending) return;
      const message = stream.next(this.#deliveredThrough);
      if (message === undefined) return;
      this.#deliveredThrough = message.seq;
      this.#await(message.seq, ackWaitMs);
      this.#send(message, this.#subscriber);
    }
  }

  #send(message: StreamMessage<T>, subscriber: (message: StreamMessage<T>) => void): void {
    const { faults } = this.#parts;
    const copies = (faults.loses() ? 0 : 1) + (faults.duplicates() ? 1 : 0);
    this.#overLink(copies, () => {
      if (this.#subscriber === subscriber) subscriber(message);
    });
  }

  #overLink(copies: number, arrive: () => void): void {
    const { scheduler, faults, reachable } = this.#parts;
    for (let copy = 0; copy < copies; copy++) {
      scheduler.after(faults.linkDelayMs(), () => {
        if (reachable()) arrive();
      });
    }
  }

  #await(seq: number, waitMs: number): void {
    this.#pending.get(seq)?.();
    const cancel = this.#parts.scheduler.after(waitMs, () => {
      if (!this.#pending.has(seq)) return;
      if (this.#parts.stream.get(seq) === undefined) this.#forget(seq);
      else this.#again.push(seq);
      this.pump();
    });
    this.#pending.set(seq, cancel);
  }

  #forget(seq: number): void {
    this.#pending.get(seq)?.();
    this.#pending.delete(seq);
    this.#again = this.#again.filter(other => other !== seq);
  }
}
