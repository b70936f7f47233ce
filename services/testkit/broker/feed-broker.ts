import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAX_PAYLOAD_BYTES } from '@featuremesh/domain/limits';
import { FEED_EPOCH_METADATA, FEED_STREAM } from '@featuremesh/domain/subjects';
import { freePort } from '@featuremesh/infra/ports/free-port';
import { natsRequest } from './nats-request.ts';

const START_TRIES = 200;
const START_PAUSE_MS = 25;

/** What a test may change of the stream. */
export interface FeedShape {
  /** Subjects; default all of FEED. */
  readonly subjects?: readonly string[];
  readonly maxBytes?: number;
  readonly epoch?: string;
}

/** A real nats-server with FEED as the sync agent makes it: file storage, synced on every append, refusing when full. */
export class FeedBroker {
  readonly url: string;
  readonly #binary: string;
  readonly #port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(binary: string, port: number, folder: string) {
    this.#binary = binary;
    this.#port = port;
    this.#folder = folder;
    this.url = `nats://127.0.0.1:${port}`;
  }

  /** Starts the server in a folder of its own and, unless told otherwise, makes FEED. */
  static async start(binary: string, shape: FeedShape | 'without FEED' = {}): Promise<FeedBroker> {
    const folder = await mkdtemp(join(tmpdir(), 'fm-broker-'));
    const broker = new FeedBroker(binary, await freePort(), folder);
    await broker.resume();
    if (shape !== 'without FEED') await broker.createFeed(shape);
    return broker;
  }

  /** Makes FEED. */
  async createFeed(shape: FeedShape = {}): Promise<void> {
    await this.#ask(`$JS.API.STREAM.CREATE.${FEED_STREAM}`, streamConfig(shape));
  }

  /** Changes FEED, for instance its subjects. */
  async updateFeed(shape: FeedShape): Promise<void> {
    await this.#ask(`$JS.API.STREAM.UPDATE.${FEED_STREAM}`, streamConfig(shape));
  }

  /** Removes FEED with all that it holds. */
  async deleteFeed(): Promise<void> {
    await this.#ask(`$JS.API.STREAM.DELETE.${FEED_STREAM}`, {});
  }

  /** Publishes one message, for instance what an importer would. */
  async publish(
    subject: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.#request(subject, body, headers);
  }

  /** Ends the server as `kill -9` does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Starts the server again on what it had; `without its streams` as one that has not read them yet, and without waiting for it. */
  async resume(how?: 'without its streams'): Promise<void> {
    const config = join(this.#folder, 'nats.conf');
    const storage = JSON.stringify(join(this.#folder, 'js'));
    const streams = `jetstream { store_dir: ${storage}, sync_interval: always }\n`;
    await writeFile(
      config,
      `listen: "127.0.0.1:${this.#port}"\nmax_payload: ${MAX_PAYLOAD_BYTES + 1024 * 1024}\n${how === undefined ? streams : ''}`,
    );
    this.#process = spawn(this.#binary, ['-c', config], { stdio: 'ignore' });
    if (how !== undefined) return;
    for (let tries = 1; ; tries += 1) {
      try {
        const info = await this.#request('$JS.API.INFO', new Uint8Array());
        if (info.includes('"streams"')) return;
      } catch (error) {
        if (tries === START_TRIES) throw error;
      }
      await new Promise(resolve => setTimeout(resolve, START_PAUSE_MS));
    }
  }

  /** Ends the server and removes its folder. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async #ask(subject: string, request: unknown): Promise<void> {
    const answer = await this.#request(subject, Buffer.from(JSON.stringify(request)));
    if (answer.includes('"error"')) throw new Error(`${subject}: ${answer}`);
  }

  #request(
    subject: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    return natsRequest({ port: this.#port }, subject, body, headers);
  }
}

function streamConfig({ subjects = ['FEED.>'], maxBytes = -1, epoch = 'e1' }: FeedShape): object {
  return {
    name: FEED_STREAM,
    subjects,
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_bytes: maxBytes,
    allow_direct: true,
    duplicate_window: 120_000_000_000,
    num_replicas: 1,
    metadata: { [FEED_EPOCH_METADATA]: epoch },
  };
}
