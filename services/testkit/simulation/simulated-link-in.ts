import type { ControlMessage } from '@featuremesh/contracts/control-message';
import { decodeLinkMessage, type LinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { LinkIn, Received } from '@featuremesh/sync/ports/link';
import type { StreamMessage } from './durable-stream.ts';
import type { LinkStreams } from './link-streams.ts';
import type { ProcessTime } from './process-time.ts';
import type { PullDurable } from './pull-durable.ts';

/** What arrived for a process and was not taken yet; a wait for it ends with the process. */
class Inbox<T> {
  readonly #items: Received<T>[] = [];
  readonly #time: ProcessTime;
  #wake: (() => void) | undefined;

  constructor(time: ProcessTime) {
    this.#time = time;
  }

  put(item: Received<T>): void {
    if (!this.#time.alive) return;
    this.#items.push(item);
    this.#wake?.();
  }

  async next(waitMs: number, signal: AbortSignal): Promise<Received<T> | undefined> {
    if (this.#items.length === 0 && !signal.aborted) {
      await this.#time.sleepUntil(waitMs, signal, wake => {
        this.#wake = wake;
      });
      this.#wake = undefined;
    }
    return this.#items.shift();
  }
}

/** The importing end of a link as one sync process sees it: two durables at the peer's broker, over the faulty connection. */
export class SimulatedLinkIn implements LinkIn {
  readonly #streams: LinkStreams;
  readonly #time: ProcessTime;
  readonly #control: Inbox<ControlMessage>;
  readonly #batches: Inbox<LinkMessage>;
  readonly #ends: (() => void)[] = [];
  #opened = new Set<string>();

  constructor(streams: LinkStreams, time: ProcessTime) {
    this.#streams = streams;
    this.#time = time;
    this.#control = new Inbox(time);
    this.#batches = new Inbox(time);
  }

  nextControl(waitMs: number, signal: AbortSignal): Promise<Received<ControlMessage> | undefined> {
    this.#open('control', this.#streams.controlDurable, this.#control, ({ data }) => ({
      message: data,
      bytes: new Uint8Array(),
    }));
    return this.#control.next(waitMs, signal);
  }

  nextBatch(waitMs: number, signal: AbortSignal): Promise<Received<LinkMessage> | undefined> {
    this.#open('batches', this.#streams.outDurable, this.#batches, ({ data }) => {
      const decoded = decodeLinkMessage(data);
      return { message: decoded.ok ? decoded.value : undefined, bytes: data };
    });
    return this.#batches.next(waitMs, signal);
  }

  connected(): boolean {
    return this.#streams.reachable;
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
  }

  #open<S, T>(
    name: string,
    durable: PullDurable<S>,
    inbox: Inbox<T>,
    parse: (message: StreamMessage<S>) => Pick<Received<T>, 'message' | 'bytes'>,
  ): void {
    if (this.#opened.has(name)) return;
    this.#opened.add(name);
    const end = durable.subscribe(message => {
      inbox.put({
        seq: message.seq,
        ...parse(message),
        ack: () => this.#whileAlive(() => durable.ack(message.seq)),
        retry: delayMs => this.#whileAlive(() => durable.retry(message.seq, delayMs)),
      });
    });
    this.#ends.push(end);
  }

  #whileAlive(act: () => void): void {
    if (this.#time.alive) act();
  }
}
