import { type ControlMessage, controlMessageSchema } from '@featuremesh/contracts/control-message';
import { decodeLinkMessage, type LinkMessage } from '@featuremesh/contracts/link-batch-codec';
import { MAX_LINK_BATCHES_IN_FLIGHT } from '@featuremesh/domain/limits';
import {
  CTL_STREAM,
  LINK_DURABLE,
  linkApiPrefix,
  OUT_STREAM,
  TRACE_HEADER,
} from '@featuremesh/domain/subjects';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import { type ConsumerMessages, type JetStreamClient, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { LinkIn, Received } from '../../ports/link.ts';
import { Mailbox } from './mailbox.ts';

/** The peer's broker is asked for its durable's state this often; that it answers is what `connected` means. */
const PROBE_INTERVAL_MS = 1_000;
/** While it does not answer it is asked more often: what waited shall come as soon as the link is there again. */
const LOST_PROBE_INTERVAL_MS = 250;
const PROBE_TIMEOUT_MS = 2_000;
/** Life of one pull request, and the silence after which it is sent anew (twice this, as the client counts). */
const PULL_EXPIRES_MS = 5_000;
const PULL_HEARTBEAT_MS = 1_000;
/** CTL has one message in flight at most; the second place only keeps the request open. */
const CONTROL_WINDOW = 2;
/** How often the peer's broker hears that a control message is being worked on; below its patience, two seconds. */
const CONTROL_BEAT_MS = 600;
/** Longest work on a control message, the service's registry included; after that it is sent again. */
const CONTROL_WORK_MS = 10_000;
/** First and longest pause before a durable is opened again. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** What one incoming link works with. The connection is the import user's, with the inbox prefix that the peer's broker allows. */
export interface LinkInOptions {
  readonly connection: NatsConnection;
  /** The exporting region: part of the prefix of the calls that it takes. */
  readonly peer: string;
  readonly timer: Timer;
  readonly logger: Logger;
  /** Whether batches tell their trace contexts. */
  readonly readTraces?: boolean;
}

/** Whether nothing came of a durable since the link was lost; one opened before the link was ever lost is not suspected. */
interface OpenDurable {
  isSilent: boolean;
}

/**
 * The peer's two durables, pulled over the leafnode. Opens them when they are first asked of, and again whenever the link or the
 * peer's broker comes back; nothing but next, info and ack is ever sent (R3).
 */
export class JetStreamLinkIn implements LinkIn {
  readonly #options: LinkInOptions;
  readonly #client: JetStreamClient;
  readonly #control: Mailbox<JsMsg>;
  readonly #batches: Mailbox<JsMsg>;
  readonly #stop = new AbortController();
  readonly #open = new Map<ConsumerMessages, OpenDurable>();
  readonly #pumps = new Map<string, Promise<void>>();
  #probe: Promise<void> | undefined;
  #beat: Repetition | undefined;
  #connected = false;
  #wasLost = false;

  constructor(options: LinkInOptions) {
    this.#options = options;
    this.#client = jetstream(options.connection, {
      apiPrefix: linkApiPrefix(options.peer),
      timeout: PROBE_TIMEOUT_MS,
    });
    this.#control = new Mailbox(options.timer);
    this.#batches = new Mailbox(options.timer);
  }

  async nextControl(waitMs: number, signal: AbortSignal): Promise<Received<ControlMessage> | undefined> {
    this.#begin(CTL_STREAM, this.#control, CONTROL_WINDOW);
    this.#beat?.stop();
    const message = await this.#control.next(waitMs, signal);
    if (message === undefined) return undefined;
    this.#beat = this.#keepInHand(message);
    return received(message, parseControl(message.data));
  }

  async nextBatch(waitMs: number, signal: AbortSignal): Promise<Received<LinkMessage> | undefined> {
    this.#begin(OUT_STREAM, this.#batches, MAX_LINK_BATCHES_IN_FLIGHT);
    const message = await this.#batches.next(waitMs, signal);
    if (message === undefined) return undefined;
    const batch = received(message, parseBatch(message.data));
    const traceparent = this.#options.readTraces === true ? message.headers?.get(TRACE_HEADER) : undefined;
    return traceparent === undefined || traceparent === '' ? batch : { ...batch, traceparent };
  }

  connected(): boolean {
    return this.#connected;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#beat?.stop();
    for (const messages of this.#open.keys()) messages.stop();
    await Promise.all([...this.#pumps.values(), this.#probe]);
    this.#control.clear();
    this.#batches.clear();
    this.#connected = false;
  }

  /** Until the next one is asked for, the peer's broker does not send this one again. */
  #keepInHand(message: JsMsg): Repetition {
    let beatsLeft = Math.floor(CONTROL_WORK_MS / CONTROL_BEAT_MS);
    const beat = this.#options.timer.every(CONTROL_BEAT_MS, () => {
      if (!this.#options.connection.isClosed()) message.working();
      beatsLeft -= 1;
      if (beatsLeft === 0) beat.stop();
    });
    return beat;
  }

  #begin(stream: string, mailbox: Mailbox<JsMsg>, window: number): void {
    if (this.#pumps.has(stream) || this.#stop.signal.aborted) return;
    this.#probe ??= this.#watch();
    this.#pumps.set(stream, this.#pump(stream, mailbox, window));
  }

  /** Fills the mailbox; what it holds is bounded by the durable's own bound of unacknowledged messages. */
  async #pump(stream: string, mailbox: Mailbox<JsMsg>, window: number): Promise<void> {
    const { timer, logger, peer } = this.#options;
    const { signal } = this.#stop;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        const consumer = await this.#client.consumers.get(stream, LINK_DURABLE);
        const messages = await consumer.consume({
          max_messages: window,
          expires: PULL_EXPIRES_MS,
          idle_heartbeat: PULL_HEARTBEAT_MS,
          abort_on_missing_resource: true,
        });
        const open: OpenDurable = { isSilent: this.#wasLost };
        this.#open.set(messages, open);
        // The signal may have aborted while the durable was being opened.
        if (signal.aborted) messages.stop();
        pauseMs = FIRST_PAUSE_MS;
        for await (const message of messages) {
          open.isSilent = false;
          mailbox.put(message);
        }
        this.#open.delete(messages);
      } catch (error) {
        logger.debug({ peer, stream, err: error }, 'a durable of the peer cannot be read');
      }
      await timer.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#options.timer.sleep(this.#connected ? PROBE_INTERVAL_MS : LOST_PROBE_INTERVAL_MS, signal);
      if (!signal.aborted) await this.#ask();
    }
  }

  async #ask(): Promise<void> {
    const { connection, peer, logger } = this.#options;
    const before = this.#connected;
    try {
      const subject = `${linkApiPrefix(peer)}.CONSUMER.INFO.${OUT_STREAM}.${LINK_DURABLE}`;
      const answer = await connection.request(subject, '', { timeout: PROBE_TIMEOUT_MS });
      this.#connected = !('error' in answer.json<object>());
    } catch {
      this.#connected = false;
    }
    if (before === this.#connected) return;
    logger.info({ peer, connected: this.#connected }, 'link to a peer');
    if (this.#connected) this.#wake();
    else this.#suspect();
  }

  #suspect(): void {
    this.#wasLost = true;
    for (const open of this.#open.values()) open.isSilent = true;
  }

  /** The client looks for a durable that fell silent no sooner than after the life of a pull request: it is opened anew at once. */
  #wake(): void {
    for (const [messages, { isSilent }] of this.#open) if (isSilent) messages.stop();
  }
}

function received<T>(message: JsMsg, parsed: T | undefined): Received<T> {
  return {
    seq: message.seq,
    message: parsed,
    bytes: message.data,
    ack: () => message.ack(),
    retry: delayMs => message.nak(delayMs),
  };
}

function parseControl(bytes: Uint8Array): ControlMessage | undefined {
  try {
    const parsed = controlMessageSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function parseBatch(bytes: Uint8Array): LinkMessage | undefined {
  const decoded = decodeLinkMessage(bytes);
  return decoded.ok ? decoded.value : undefined;
}
