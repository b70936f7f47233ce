import { connect, type Socket } from 'node:net';
import { DelayedPipe, type PipeOptions, type WanTools } from './delayed-pipe.ts';
import type { PathConditions, WanDirection } from './wan-path.ts';

/** What a connection needs of its path. */
export interface ConnectionOptions {
  readonly target: { readonly host: string; readonly port: number };
  readonly tools: WanTools;
  readonly conditions: () => PathConditions;
  readonly vanishes: () => boolean;
  /** What the two directions differ in. */
  readonly direction: (which: WanDirection) => Pick<PipeOptions, 'line' | 'budget' | 'onBytes'>;
  /** The target did not take the connection. */
  readonly onRefused: () => void;
}

/** One connection through the proxy: the caller's socket, the one to the target, and a delayed pipe each way. */
export class WanConnection {
  readonly #client: Socket;
  readonly #options: ConnectionOptions;
  readonly #closed = new AbortController();
  #upstream: Socket | undefined;
  #pipes: readonly DelayedPipe[] = [];
  #wasSwallowed = false;

  /** The client's socket must be paused. `onClosed` is called once, when nothing of it is left. */
  constructor(client: Socket, options: ConnectionOptions, onClosed: () => void) {
    this.#client = client;
    this.#options = options;
    this.#closed.signal.addEventListener('abort', onClosed, { once: true });
    this.#follow(client);
    void this.#open();
  }

  /** True where it cannot go on after a black hole: bytes are missing, or its opening vanished. */
  get hasLost(): boolean {
    return this.#wasSwallowed || this.#pipes.some(pipe => pipe.hasLost);
  }

  /** Resets both sides at once. */
  reset(): void {
    for (const pipe of this.#pipes) pipe.stop();
    // One that still connects would only be reset once it has.
    if (this.#upstream?.connecting === true) this.#upstream.destroy();
    else this.#upstream?.resetAndDestroy();
    this.#client.resetAndDestroy();
    this.#close();
  }

  /** TCP's handshake takes a round trip before the first byte may leave. */
  async #open(): Promise<void> {
    const { tools, conditions, vanishes, target } = this.#options;
    await tools.timer.sleep(2 * conditions().delayMs, this.#closed.signal);
    if (this.#closed.signal.aborted) return;
    if (vanishes()) {
      this.#wasSwallowed = true;
      return;
    }
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#upstream = upstream;
    this.#follow(upstream);
    const refused = (): void => {
      this.#options.onRefused();
      this.reset();
    };
    upstream.once('error', refused);
    upstream.once('connect', () => {
      upstream.off('error', refused);
      this.#pipes = [this.#pipe(this.#client, upstream, 'there'), this.#pipe(upstream, this.#client, 'back')];
    });
  }

  #pipe(source: Socket, target: Socket, which: WanDirection): DelayedPipe {
    const { tools, conditions, vanishes, direction } = this.#options;
    return new DelayedPipe({ source, target, tools, conditions, vanishes, ...direction(which) });
  }

  #follow(socket: Socket): void {
    // Its close carries the news; an error without a listener would end the process.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      // A caller that went away before its target was asked, unless even that vanished.
      if (this.#upstream === undefined && !this.#wasSwallowed) this.#close();
      if (this.#client.destroyed && this.#upstream?.destroyed === true) this.#close();
    });
  }

  #close(): void {
    for (const pipe of this.#pipes) pipe.stop();
    this.#closed.abort();
  }
}
