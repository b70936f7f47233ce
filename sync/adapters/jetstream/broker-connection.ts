import type { Logger } from '@featuremesh/runtime/logger';
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node';

/** Pause between two tries to connect; the client tries for as long as the process runs. */
const RECONNECT_PAUSE_MS = 250;
/** A broker on this machine that is silent for two of these is gone. */
const PING_INTERVAL_MS = 5_000;

/** One user of the region's own broker. */
export interface BrokerLogin {
  readonly servers: string;
  readonly user: string;
  readonly password: string;
  /** Must match what the user may subscribe to. Default `_INBOX`. */
  readonly inboxPrefix?: string;
}

/**
 * Connects, waiting for as long as the broker is away, and logs every change of state. A login that is refused is tried again:
 * the broker may learn of a peer after its agent did.
 */
export async function connectBroker(
  login: BrokerLogin,
  logger: Logger,
  onChange: (connected: boolean) => void = () => undefined,
): Promise<NatsConnection> {
  const options: ConnectionOptions = {
    servers: login.servers,
    user: login.user,
    pass: login.password,
    name: `sync ${login.user}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_PAUSE_MS,
    reconnectJitter: RECONNECT_PAUSE_MS,
    pingInterval: PING_INTERVAL_MS,
    waitOnFirstConnect: true,
    // A stack for every request costs more than the request; an error still says what failed and why.
    noAsyncTraces: true,
    ignoreAuthErrorAbort: true,
    ...(login.inboxPrefix === undefined ? {} : { inboxPrefix: login.inboxPrefix }),
  };
  const connection = await connect(options);
  void watch(connection, logger.child({ user: login.user }), onChange);
  return connection;
}

async function watch(
  connection: NatsConnection,
  logger: Logger,
  onChange: (connected: boolean) => void,
): Promise<void> {
  onChange(true);
  for await (const status of connection.status()) {
    if (status.type === 'reconnect') onChange(true);
    else if (status.type === 'disconnect' || status.type === 'close') onChange(false);
    if (!['disconnect', 'reconnect', 'error', 'staleConnection'].includes(status.type)) continue;
    logger.info({ status: status.type }, 'connection to the broker');
  }
  onChange(false);
}
