import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

const LOOK_EVERY_MS = 100;

/**
 * One TCP address before several processes, as an operator's balancer is: new connections go in turn to those whose `/health/route` says
 * `active`, and to another one where connecting fails. It looks at no request and repeats none.
 */
export class Balancer {
  readonly #server: Server;
  readonly #targets: readonly URL[];
  readonly #sockets = new Set<Socket>();
  readonly #looking: NodeJS.Timeout;
  #active: readonly URL[] = [];
  #turn = 0;

  private constructor(targets: readonly string[]) {
    this.#targets = targets.map(target => new URL(target));
    this.#server = createServer({ noDelay: true }, socket => void this.#accept(socket));
    this.#looking = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  }

  /** Begins to listen on a free port of the loopback. */
  static async before(targets: readonly string[]): Promise<Balancer> {
    const balancer = new Balancer(targets);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  /** The address. */
  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Ends all connections. */
  close(): void {
    clearInterval(this.#looking);
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #look(): Promise<void> {
    const seen = await Promise.all(
      this.#targets.map(async target => {
        const signal = AbortSignal.timeout(1_000);
        const answer = await fetch(new URL('/health/route', target), { signal }).catch(() => undefined);
        return answer?.status === 200 ? [target] : [];
      }),
    );
    this.#active = seen.flat();
  }

  async #accept(socket: Socket): Promise<void> {
    this.#keep(socket);
    socket.pause();
    this.#turn += 1;
    for (let tries = 0; tries < this.#active.length; tries += 1) {
      const target = this.#active[(this.#turn + tries) % this.#active.length];
      const behind = target && (await connected(target));
      if (behind === undefined) continue;
      this.#keep(behind);
      socket.pipe(behind).pipe(socket);
      socket.once('close', () => behind.destroy());
      behind.once('close', () => socket.destroy());
      return;
    }
    socket.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function connected({ hostname, port }: URL): Promise<Socket | undefined> {
  return new Promise(resolve => {
    const socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}
