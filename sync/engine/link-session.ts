import type { LinkStatus } from '@featuremesh/contracts/link-status';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { CompiledPolicy } from '../policy-compiler/compile.ts';
import type { FeedSink, FeedSource } from '../ports/feed.ts';
import type { LinkIn, LinkOut } from '../ports/link.ts';
import type { RegionService } from '../ports/region-service.ts';
import { ControlChannel } from './control-channel.ts';
import { Exporter } from './exporter.ts';
import { Importer } from './importer.ts';
import { RECENT_ERROR_MS, SESSION_BACKOFF_MS } from './limits.ts';

/** Everything that the two directions with one peer need. */
export interface LinkParts {
  readonly self: RegionId;
  readonly peer: RegionId;
  readonly out: LinkOut;
  readonly link: LinkIn;
  readonly feed: FeedSource;
  readonly sink: FeedSink;
  readonly service: RegionService;
  readonly policy: () => CompiledPolicy;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracing?: Tracing | undefined;
}

/** Both directions with one peer. Each of its four loops begins anew after an error, without disturbing the others. */
export class LinkSession {
  readonly #parts: LinkParts;
  readonly #exporter: Exporter;
  readonly #importer: Importer;
  readonly #control: ControlChannel;
  readonly #stop = new AbortController();
  readonly #lastError = new Map<string, { text: string; atMs: number }>();
  #loops: Promise<void>[] = [];
  #controlHeard = false;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#exporter = new Exporter(parts);
    this.#importer = new Importer({
      ...parts,
      requestSnapshot: (request, reason) => this.#control.requestSnapshot(request, reason),
    });
    this.#control = new ControlChannel({ ...parts, exporter: this.#exporter, importer: this.#importer });
  }

  /** Starts all loops. */
  start(): void {
    const { timer } = this.#parts;
    const { signal } = this.#stop;
    this.#loops = [
      this.#repeat('export', () => this.#exporter.session(signal)),
      this.#repeat('tell', () => this.#control.tell(signal, ms => timer.sleep(ms, signal))),
      // Neither a request nor rows can be judged before the region's own service has said what it knows.
      this.#repeat('hear', async () => {
        while (!this.#knowsPeer() && !signal.aborted) await timer.sleep(SESSION_BACKOFF_MS.least, signal);
        await this.#control.hear(signal, () => this.#heard());
      }),
      this.#repeat('import', async () => {
        // Control before rows: what was decided while this region was away comes first (A6).
        while (!this.#controlHeard && !signal.aborted) await timer.sleep(SESSION_BACKOFF_MS.least, signal);
        await this.#importer.session(signal);
      }),
    ];
  }

  /** Ends all loops and waits for the step that each is in. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
    await this.#parts.link.close();
  }

  /** Both ends of the link as they stand. */
  status(): readonly LinkStatus[] {
    const { peer, link } = this.#parts;
    const out = this.#exporter.status();
    const into = this.#importer.status();
    const errors = (loops: readonly string[]): { lastError: string } | object => {
      const nowMs = this.#parts.clock.nowMs();
      const recent = loops
        .map(loop => this.#lastError.get(loop))
        .find(error => error !== undefined && Math.abs(nowMs - error.atMs) < RECENT_ERROR_MS);
      const text = recent?.text;
      return text === undefined ? {} : { lastError: text };
    };
    return [
      {
        peer,
        direction: 'out',
        connected: link.connected(),
        lagMs: null,
        gaps: 0,
        heldBatches: 0,
        importedRows: 0,
        ...out,
        ...errors(['export', 'tell']),
      },
      {
        peer,
        direction: 'in',
        connected: link.connected(),
        shippedRows: 0,
        ...into,
        ...errors(['import', 'hear']),
      },
    ];
  }

  #knowsPeer(): boolean {
    return this.#parts.policy().links.has(this.#parts.peer);
  }

  #heard(): void {
    if (this.#parts.link.connected()) this.#controlHeard = true;
  }

  async #repeat(name: string, session: () => Promise<void>): Promise<void> {
    const { logger, timer, peer } = this.#parts;
    const { signal } = this.#stop;
    let backoffMs: number = SESSION_BACKOFF_MS.least;
    while (!signal.aborted) {
      const startedAtMs = this.#parts.clock.nowMs();
      try {
        await session();
      } catch (error) {
        if (signal.aborted) return;
        const text = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 300) : String(error);
        this.#lastError.set(name, { text, atMs: this.#parts.clock.nowMs() });
        logger.warn({ peer, loop: name, err: error }, 'a link loop begins anew');
      }
      const ranMs = this.#parts.clock.nowMs() - startedAtMs;
      backoffMs =
        ranMs > SESSION_BACKOFF_MS.most
          ? SESSION_BACKOFF_MS.least
          : Math.min(backoffMs * 2, SESSION_BACKOFF_MS.most);
      await timer.sleep(backoffMs, signal);
    }
  }
}
