import type { FeedLimits } from '@featuremesh/contracts/region-config';
import type { RegionId } from '@featuremesh/domain/region-id';
import { FEED_STREAM } from '@featuremesh/domain/subjects';
import type { BrokerFiles } from '@featuremesh/runtime/broker-files';
import type { BrokerUser } from '@featuremesh/runtime/broker-secrets';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Broker } from '../../ports/broker.ts';
import type { FeedSink, FeedSource, FeedUsage } from '../../ports/feed.ts';
import type { LinkIn, LinkOut } from '../../ports/link.ts';
import { connectBroker } from './broker-connection.ts';
import { JetStreamBroker, type LinkAccount } from './jetstream-broker.ts';
import { JetStreamFeedSink } from './jetstream-feed-sink.ts';
import { JetStreamFeedSource } from './jetstream-feed-source.ts';
import { JetStreamLinkIn } from './jetstream-link-in.ts';
import { JetStreamLinkOut } from './jetstream-link-out.ts';
import { PurgeLedger } from './purge-ledger.ts';
import { RelayPermissions } from './relay-permissions.ts';

/** Requests of the configuration; a server that was just started may take a second. */
const ADMIN_TIMEOUT_MS = 5_000;

/** How to reach the region's own broker. */
export interface RegionBrokerOptions {
  readonly self: RegionId;
  readonly peers: readonly RegionId[];
  readonly servers: string;
  readonly password: (user: BrokerUser) => string;
  /** Files that the broker includes; undefined where an operator runs it. */
  readonly files: BrokerFiles | undefined;
  readonly replicas: number;
  readonly feedLimits: FeedLimits;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether trace contexts are read beside rows: only where tracing is on. */
  readonly readTraces?: boolean;
}

/** The ports of one link over the region's broker. */
export interface LinkPorts {
  readonly peer: RegionId;
  readonly out: LinkOut;
  readonly link: LinkIn;
}

/** All connections of a sync agent to its own broker, and the ports over them. */
export interface RegionBroker {
  readonly broker: Broker;
  readonly feed: FeedSource;
  readonly sink: FeedSink;
  readonly links: readonly LinkPorts[];
  /** How much the log holds, and the bytes at which it refuses writes. */
  feedUsage(): Promise<FeedUsage>;
  /** True where FEED was lost since the start: it is not there, or another one. Rejects where the broker does not answer. */
  feedIsLost(): Promise<boolean>;
  /** Whether the connection of the region's own account stands. */
  connected(): boolean;
  close(): Promise<void>;
}

/** Connects every user, waiting for the broker, and makes FEED where it is missing, because the region's service waits for it. */
export async function openRegionBroker(options: RegionBrokerOptions): Promise<RegionBroker> {
  const { self, peers, servers, password, files, replicas, feedLimits, timer, random, logger } = options;
  const readTraces = options.readTraces ?? false;
  const connections: NatsConnection[] = [];
  const login = async (
    user: BrokerUser,
    inboxPrefix?: string,
    onChange?: (connected: boolean) => void,
  ): Promise<NatsConnection> => {
    const inbox = inboxPrefix === undefined ? {} : { inboxPrefix };
    const connection = await connectBroker(
      { servers, user, password: password(user), ...inbox },
      logger,
      onChange,
    );
    connections.push(connection);
    return connection;
  };
  let connected = false;
  const region = await login('sync', undefined, now => {
    connected = now;
  });
  const permissions = files === undefined ? undefined : new RelayPermissions(files, await login('system'));
  const accounts: LinkAccount[] = [];
  const links: LinkPorts[] = [];
  for (const peer of peers) {
    const keeper = await login(`links.${peer}`);
    const purged = new PurgeLedger();
    accounts.push({ peer, purged, manager: await managerOf(keeper) });
    links.push({
      peer,
      out: await JetStreamLinkOut.over({ relay: await login(`relay.${peer}`), links: keeper }, purged),
      link: new JetStreamLinkIn({
        connection: await login(`import.${peer}`, `_INBOX_${self}`),
        peer,
        timer,
        logger,
        readTraces,
      }),
    });
  }
  const manager = await managerOf(region);
  const broker = new JetStreamBroker({
    region: manager,
    links: accounts,
    permissions,
    replicas,
    feedLimits,
    random,
  });
  const feedEpoch = await broker.prepare();
  const feed = await JetStreamFeedSource.over(region, { feedEpoch, timer, logger, readTraces });
  return {
    broker,
    feed,
    sink: await JetStreamFeedSink.over(region),
    links,
    connected: () => connected,
    feedIsLost: async () => (await broker.feedEpoch()) !== feedEpoch,
    feedUsage: async () => {
      const { state, config } = await manager.streams.info(FEED_STREAM);
      const limitBytes = config.max_bytes > 0 ? config.max_bytes : Number.POSITIVE_INFINITY;
      return { bytes: state.bytes, limitBytes, messages: state.messages };
    },
    close: async () => {
      await feed.close();
      await Promise.all(connections.map(connection => connection.close()));
    },
  };
}

function managerOf(connection: NatsConnection): ReturnType<typeof jetstreamManager> {
  return jetstreamManager(connection, { timeout: ADMIN_TIMEOUT_MS, checkAPI: false });
}
