import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { ByteBudget } from './byte-budget.ts';
import type { WanTools } from './delayed-pipe.ts';
import { MAX_CONNECTIONS_PER_PATH } from './limits.ts';
import { SharedLine } from './shared-line.ts';
import { WanConnection } from './wan-connection.ts';
import type { PathConditions, PathFault, PathState, WanDirection, WanPath } from './wan-path.ts';

/** What a path's proxy works with. */
export interface PathProxyOptions {
  readonly path: WanPath;
  readonly conditions: PathConditions;
  readonly tools: WanTools;
  readonly budget: ByteBudget;
  readonly onBytes: OnBytes | undefined;
}

/** Sees every byte that enters, before it is delayed or vanishes; `connection` counts those of a path from 1. */
export type OnBytes = (path: WanPath, direction: WanDirection, chunk: Buffer, connection: number) => void;

/** The proxy of one path: one listening port, its connections, what is wrong with it. */
export class PathProxy {
  readonly path: WanPath;
  readonly #options: PathProxyOptions;
  readonly #connections = new Set<WanConnection>();
  readonly #lines = { there: new SharedLine(), back: new SharedLine() };
  readonly #bytes = { there: 0, back: 0 };
  #conditions: PathConditions;
  #fault: PathFault = 'none';
  #server: Server | undefined;
  #refused = 0;
  #accepted = 0;

  constructor(options: PathProxyOptions) {
    this.path = options.path;
    this.#options = options;
    this.#conditions = options.conditions;
  }

  /** Begins to listen. PORT_IN_USE where the port is taken. */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const { listen } = this.path;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on('connection', socket => this.#accept(socket));
    try {
      server.listen(listen);
      await once(server, 'listening');
    } catch (error) {
      throw new ProblemError(
        problem('PORT_IN_USE', `${listen.port} (${describePath(this.path)}) is in use`),
        {
          cause: error,
        },
      );
    }
    server.on('error', () => undefined);
    this.#server = server;
  }

  /** Changes delay, jitter or cap; bytes under way keep the time they were given. */
  set(conditions: Partial<PathConditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions };
  }

  /** Resets every connection and refuses new ones. */
  cut(): void {
    this.#fault = 'cut';
    this.#server?.close();
    this.#server = undefined;
    for (const connection of this.#connections) connection.reset();
  }

  /** From now on bytes and closings vanish, connections stay open, new ones lead nowhere. */
  async blackHole(): Promise<void> {
    await this.listen();
    this.#fault = 'black-hole';
  }

  /** Ends cut or black hole. Connections that lost something are reset, as a stream with a hole cannot be continued. */
  async heal(): Promise<void> {
    await this.listen();
    this.#fault = 'none';
    for (const connection of this.#connections) if (connection.hasLost) connection.reset();
  }

  /** Resets every connection and lets go of the port. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const connection of this.#connections) connection.reset();
  }

  /** What `show` tells of it. */
  state(): PathState {
    return {
      ...this.path,
      ...this.#conditions,
      fault: this.#fault,
      connections: this.#connections.size,
      bytesThere: this.#bytes.there,
      bytesBack: this.#bytes.back,
      refusedConnections: this.#refused,
    };
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= MAX_CONNECTIONS_PER_PATH) {
      this.#refused += 1;
      socket.on('error', () => undefined);
      socket.resetAndDestroy();
      return;
    }
    this.#accepted += 1;
    const ordinal = this.#accepted;
    const connection: WanConnection = new WanConnection(
      socket,
      {
        target: this.path.target,
        tools: this.#options.tools,
        conditions: () => this.#conditions,
        vanishes: () => this.#fault === 'black-hole',
        direction: which => ({
          line: this.#lines[which],
          budget: this.#options.budget,
          onBytes: chunk => {
            this.#bytes[which] += chunk.length;
            this.#options.onBytes?.(this.path, which, chunk, ordinal);
          },
        }),
        onRefused: () => {
          this.#refused += 1;
        },
      },
      () => this.#connections.delete(connection),
    );
    this.#connections.add(connection);
  }
}

/** A path in words: `us-east-1 to eu-west-1, link`. */
function describePath({ from, to, service }: WanPath): string {
  return `${from} to ${to}, ${service}`;
}
