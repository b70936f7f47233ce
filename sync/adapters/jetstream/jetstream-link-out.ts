import type { ControlMessage } from '@featuremesh/contracts/control-message';
import {
  decodeLinkMessage,
  encodeLinkMessage,
  type LinkMessage,
} from '@featuremesh/contracts/link-batch-codec';
import {
  CTL_STREAM,
  CURSOR_STREAM,
  ctlSubject,
  cursorSubject,
  LINK_DURABLE,
  LINK_EPOCH_METADATA,
  OUT_LINK_SUBJECT,
  OUT_STREAM,
  outSubject,
  TRACE_HEADER,
} from '@featuremesh/domain/subjects';
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import type { LinkOut, OutHead, OutOutcome, ShipCursor } from '../../ports/link.ts';
import { publishFailure } from './broker-errors.ts';
import type { PurgeLedger } from './purge-ledger.ts';

/** One synced append on this machine; longer means that the broker is away. */
const PUBLISH_TIMEOUT_MS = 5_000;

const shipCursorSchema = z.object({ feedEpoch: z.string(), sequence: z.int().min(0) });

/** The two users of a link's outgoing account: `relay` may publish what policy permits and nothing else, `links` keeps the streams. */
export interface LinkOutConnections {
  readonly relay: NatsConnection;
  readonly links: NatsConnection;
}

/** OUT, CTL and the ship cursors of one link on JetStream. OUT's sequence is the link_seq, fenced by the expected last one (S10). */
export class JetStreamLinkOut implements LinkOut {
  readonly #relay: JetStreamClient;
  readonly #links: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #purged: PurgeLedger;

  private constructor(parts: {
    relay: JetStreamClient;
    links: JetStreamClient;
    manager: JetStreamManager;
    purged: PurgeLedger;
  }) {
    this.#relay = parts.relay;
    this.#links = parts.links;
    this.#manager = parts.manager;
    this.#purged = parts.purged;
  }

  /** Works on the connections given; they stay the caller's. `purged` remembers what enforcement already removed. */
  static async over(connections: LinkOutConnections, purged: PurgeLedger): Promise<JetStreamLinkOut> {
    const options = { timeout: PUBLISH_TIMEOUT_MS };
    return new JetStreamLinkOut({
      relay: jetstream(connections.relay, options),
      links: jetstream(connections.links, options),
      manager: await jetstreamManager(connections.links, { ...options, checkAPI: false }),
      purged,
    });
  }

  async head(): Promise<OutHead> {
    const { config, state } = await this.#manager.streams.info(OUT_STREAM);
    const linkEpoch = config.metadata?.[LINK_EPOCH_METADATA] ?? '';
    const stored = state.last_seq === 0 ? null : await this.#at(state.last_seq);
    const decoded = stored === null ? undefined : decodeLinkMessage(stored.data);
    return { linkEpoch, lastSeq: state.last_seq, last: decoded?.ok ? decoded.value : undefined };
  }

  async pending(): Promise<number> {
    const info = await this.#manager.consumers.info(OUT_STREAM, LINK_DURABLE);
    return info.num_pending + info.num_ack_pending;
  }

  async publish(message: LinkMessage, traceparent?: string): Promise<OutOutcome> {
    const { groupId, linkSeq } = message.envelope;
    const subject = groupId === '' ? OUT_LINK_SUBJECT : outSubject(groupId);
    try {
      await this.#relay.publish(subject, encodeLinkMessage(message), {
        expect: { streamName: OUT_STREAM, lastSequence: linkSeq - 1 },
        timeout: PUBLISH_TIMEOUT_MS,
        ...(traceparent === undefined ? {} : { headers: traced(traceparent) }),
      });
      return 'stored';
    } catch (error) {
      const failure = publishFailure(error);
      if (failure === 'fenced') return 'fenced';
      if (failure === 'forbidden') return 'refused';
      return failure === 'unlistened' && !(await this.#lists(subject)) ? 'refused' : 'unknown';
    }
  }

  async purgeGroup(groupId: string): Promise<{ from: number; through: number } | undefined> {
    const subject = outSubject(groupId);
    const oldest = { seq: 1, next_by_subj: subject };
    const [first, last] = await Promise.all([
      this.#manager.streams.getMessage(OUT_STREAM, oldest),
      this.#manager.streams.getMessage(OUT_STREAM, { last_by_subj: subject }),
    ]);
    if (first !== null) await this.#manager.streams.purge(OUT_STREAM, { filter: subject });
    const removed = first === null ? undefined : { from: first.seq, through: last?.seq ?? first.seq };
    return this.#purged.take(groupId, removed);
  }

  async setLinkEpoch(linkEpoch: string): Promise<void> {
    const { config } = await this.#manager.streams.info(OUT_STREAM);
    await this.#manager.streams.update(OUT_STREAM, {
      ...config,
      metadata: { ...config.metadata, [LINK_EPOCH_METADATA]: linkEpoch },
    });
  }

  async trim(): Promise<void> {
    const { ack_floor } = await this.#manager.consumers.info(OUT_STREAM, LINK_DURABLE);
    const { state } = await this.#manager.streams.info(OUT_STREAM);
    const below = Math.min(ack_floor.stream_seq + 1, state.last_seq);
    if (below > state.first_seq) await this.#manager.streams.purge(OUT_STREAM, { seq: below });
  }

  async cursors(): Promise<ReadonlyMap<string, ShipCursor>> {
    const info = await this.#manager.streams.info(CURSOR_STREAM, { subjects_filter: cursorSubject('*') });
    const cursors = new Map<string, ShipCursor>();
    for (const subject of Object.keys(info.state.subjects ?? {})) {
      const stored = await this.#manager.streams.getMessage(CURSOR_STREAM, { last_by_subj: subject });
      const groupId = subject.split('.').at(-1);
      const cursor = shipCursorSchema.safeParse(stored === null ? undefined : parseJson(stored.data));
      if (groupId !== undefined && cursor.success) cursors.set(groupId, cursor.data);
    }
    return cursors;
  }

  async saveCursor(groupId: string, cursor: ShipCursor): Promise<void> {
    await this.#links.publish(cursorSubject(groupId), JSON.stringify(cursor));
  }

  async publishControl(message: ControlMessage): Promise<void> {
    await this.#links.publish(ctlSubject(message.kind), JSON.stringify(message), {
      expect: { streamName: CTL_STREAM },
    });
  }

  async dropCatalogue(): Promise<void> {
    await this.#manager.streams.purge(CTL_STREAM, { filter: ctlSubject('catalogue') });
  }

  async controlPending(): Promise<number> {
    const info = await this.#manager.consumers.info(CTL_STREAM, LINK_DURABLE);
    return info.num_pending + info.num_ack_pending;
  }

  #at(sequence: number): Promise<StoredMsg | null> {
    return this.#manager.streams.getMessage(OUT_STREAM, { seq: sequence });
  }

  /** Whether OUT lists the subject; true where that cannot be learnt, so that nothing is called a refusal that is an outage. */
  async #lists(subject: string): Promise<boolean> {
    try {
      const { config } = await this.#manager.streams.info(OUT_STREAM);
      return config.subjects.includes(subject);
    } catch {
      return true;
    }
  }
}

function traced(traceparent: string): MsgHdrs {
  const head = headers();
  head.set(TRACE_HEADER, traceparent);
  return head;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
