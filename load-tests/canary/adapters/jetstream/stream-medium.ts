import type { RegionConfig } from '@featuremesh/contracts/region-config';
import {
  CTL_STREAM,
  CURSOR_STREAM,
  FEED_STREAM,
  HELD_STREAM,
  OUT_STREAM,
} from '@featuremesh/domain/subjects';
import { type BrokerUser, brokerPassword, readNatsSecrets } from '@featuremesh/runtime/broker-secrets';
import { type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { CanaryItem, CanaryMedium } from '../../canary-medium.ts';
import { isPlacedIn } from '../../needle.ts';

/** Messages asked for at once; the broker answers in microseconds, and memory holds what is answered. */
const MAX_REQUESTS = 64;
const TIMEOUT_MS = 10_000;

/** Every stream of a region's running broker, read message by message through its own users: FEED and HELD, and per peer OUT, CTL, CUR. */
export function streamMedia(config: RegionConfig): readonly CanaryMedium[] {
  const own = [FEED_STREAM, HELD_STREAM].map(stream =>
    streamMedium(config, { stream, user: 'sync', to: '' }),
  );
  const outgoing = config.peers.flatMap(({ id }) =>
    [OUT_STREAM, CTL_STREAM, CURSOR_STREAM].map(stream =>
      streamMedium(config, { stream, user: `links.${id}`, to: ` to ${id}` }),
    ),
  );
  return [...own, ...outgoing];
}

/** What a stream holds whenever it holds anything is in its subjects; those of OUT always do, the others may be empty. */
function streamMedium(
  config: RegionConfig,
  { stream, user, to }: { stream: string; user: BrokerUser; to: string },
): CanaryMedium {
  const isNeverEmpty = stream === FEED_STREAM || stream === OUT_STREAM;
  return {
    name: stream,
    region: config.id,
    permits: needle => isPlacedIn(needle, config.id),
    control: isNeverEmpty ? `${stream}.` : undefined,
    async *scan() {
      const connection = await connectAs(config, user);
      try {
        yield* messages(await jetstreamManager(connection, { timeout: TIMEOUT_MS }), stream, to);
      } finally {
        await connection.close();
      }
    },
  };
}

/** A connection to a region's own broker as one of its users, with the region's own secret. */
export async function connectAs(config: RegionConfig, user: BrokerUser): Promise<NatsConnection> {
  const client = config.nats.embedded?.client;
  if (client === undefined) throw new TypeError(`${config.id} does not run its broker itself`);
  return connect({
    servers: `${client.host}:${client.port}`,
    user,
    pass: brokerPassword(await readNatsSecrets(config.keys.natsSecrets), user),
  });
}

async function* messages(manager: JetStreamManager, stream: string, to: string): AsyncGenerator<CanaryItem> {
  const { state } = await manager.streams.info(stream);
  // An empty stream begins at 0.
  for (let first = Math.max(1, state.first_seq); first <= state.last_seq; first += MAX_REQUESTS) {
    const count = Math.min(MAX_REQUESTS, state.last_seq - first + 1);
    const found = await Promise.all(
      Array.from({ length: count }, (_, at) => manager.streams.getMessage(stream, { seq: first + at })),
    );
    // What was acknowledged and removed since leaves holes.
    for (const message of found) if (message !== null) yield itemOf(stream, to, message);
  }
}

function itemOf(stream: string, to: string, message: StoredMsg): CanaryItem {
  const head = [...(message.header ?? [])].flatMap(([name, values]) => [name, ...values]);
  return {
    where: `${stream}${to} ${message.seq} (${message.subject})`,
    bytes: Buffer.concat([Buffer.from([message.subject, ...head, ''].join('\n')), message.data]),
  };
}
