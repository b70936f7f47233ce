import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '@featuremesh/infra/ports/free-port';
import { systemTimer } from '@featuremesh/runtime/timer';
import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

const STREAM = 'BARE';
const SUBJECT = 'bare.rows';
const CONNECT_WITHIN_MS = 5_000;
const POLL_MS = 20;
const APPEND_TIMEOUT_MS = 10_000;

/** A broker of its own with one stream, stored and synced as a region stores and syncs its log, and nothing else: what JetStream leaves to a log. */
export class BareLog {
  readonly #broker: ChildProcess;
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;

  private constructor(broker: ChildProcess, connection: NatsConnection) {
    this.#broker = broker;
    this.#connection = connection;
    this.#client = jetstream(connection);
  }

  /** Starts the broker `binary` in an empty folder. */
  static async start(binary: string, folder: string): Promise<BareLog> {
    const port = await freePort();
    const config = join(folder, 'nats.conf');
    const store = JSON.stringify(join(folder, 'js'));
    await writeFile(
      config,
      `listen: "127.0.0.1:${port}"\nmax_payload: 8MB\njetstream { store_dir: ${store}, sync_interval: always }\n`,
    );
    const broker = spawn(binary, ['-c', config], { stdio: 'ignore' });
    try {
      const connection = await connected(port);
      const manager = await jetstreamManager(connection, { timeout: CONNECT_WITHIN_MS });
      await manager.streams.add({ name: STREAM, subjects: [SUBJECT], storage: 'file' });
      return new BareLog(broker, connection);
    } catch (error) {
      broker.kill('SIGKILL');
      throw error;
    }
  }

  /** Resolves when the message is stored and synced. */
  async append(body: Uint8Array): Promise<void> {
    await this.#client.publish(SUBJECT, body, { timeout: APPEND_TIMEOUT_MS });
  }

  async close(): Promise<void> {
    await this.#connection.close();
    const ended = once(this.#broker, 'exit');
    this.#broker.kill('SIGTERM');
    await ended;
  }
}

async function connected(port: number): Promise<NatsConnection> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    try {
      return await connect({ servers: `127.0.0.1:${port}` });
    } catch (error) {
      if (waitedMs >= CONNECT_WITHIN_MS) throw error;
    }
    await systemTimer.sleep(POLL_MS);
  }
}
