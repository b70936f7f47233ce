import type { RegionHealth } from '@featuremesh/domain/read-plan';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Deadlines } from '@featuremesh/runtime/deadlines';
import { type Dispatcher, Pool } from 'undici';
import { MAX_REGION_ANSWER_BYTES, MAX_SOCKETS_PER_SERVICE, PROBE_DEADLINE_MS } from '../limits.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

/** What a service process is asked over HTTP. */
export interface ServiceCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  /** What a 200 answer is taken as: its JSON, parsed, or its bytes as they came. */
  readonly as: 'json' | 'bytes';
}

/** How a call ended: with an answer below 500 (with its value, where it is a 200), too late, or in any other way. */
export type ServiceOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly value: unknown }
  | { readonly kind: 'late' }
  | { readonly kind: 'failed'; readonly why: string };

/** The way to one service process: its sockets and its breaker. Never throws and never names the address. */
export class ServiceWay {
  readonly #pool: Pool;
  readonly #prefix: string;
  readonly #breaker: CircuitBreaker;
  readonly #deadlines: Deadlines;

  constructor(url: string, parts: { readonly clock: MonotonicClock; readonly deadlines: Deadlines }) {
    const { origin, pathname } = new URL(url);
    this.#prefix = pathname.replace(/\/$/, '');
    this.#breaker = new CircuitBreaker(parts.clock);
    this.#deadlines = parts.deadlines;
    this.#pool = new Pool(origin, {
      connections: MAX_SOCKETS_PER_SERVICE,
      pipelining: 1,
      connectTimeout: PROBE_DEADLINE_MS,
      maxResponseSize: MAX_REGION_ANSWER_BYTES,
    });
  }

  /** What the last calls showed. */
  health(): RegionHealth {
    return this.#breaker.health();
  }

  /** Makes the call; undefined where the breaker lets nothing through now. */
  async call(call: ServiceCall): Promise<ServiceOutcome | undefined> {
    if (!this.#breaker.permits()) return undefined;
    const outcome = await this.#send(call);
    if (outcome.kind === 'answered') this.#breaker.succeeded();
    else this.#breaker.failed();
    return outcome;
  }

  /** Closes the sockets at once; calls under way fail. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  /** By undici's own handlers: promises and streams around them cost more than the call itself. */
  #send({ method, path, headers, body, timeoutMs, as }: ServiceCall): Promise<ServiceOutcome> {
    return new Promise(resolve => {
      let controller: Dispatcher.DispatchController | undefined;
      let isLate = false;
      let status = 0;
      const chunks: Buffer[] = [];
      const deadline = this.#deadlines.open(timeoutMs, () => {
        isLate = true;
        controller?.abort(new Error('late'));
        settle({ kind: 'late' });
      });
      const settle = (outcome: ServiceOutcome): void => {
        this.#deadlines.cancel(deadline);
        resolve(outcome);
      };
      this.#pool.dispatch(
        {
          method,
          path: `${this.#prefix}${path}`,
          headers: { ...headers },
          ...(body === undefined ? {} : { body }),
        },
        {
          onRequestStart: started => {
            controller = started;
            // It waited for a socket until nobody wanted the answer any more.
            if (isLate) started.abort(new Error('late'));
          },
          onResponseStart: (_, code) => {
            status = code;
          },
          onResponseData: (_, chunk) => {
            chunks.push(chunk);
          },
          onResponseEnd: () => settle(outcomeOf(status, chunks, as)),
          onResponseError: () => settle({ kind: 'failed', why: 'the call failed' }),
        },
      );
    });
  }
}

/** An answer that nobody can use counts as a failure: 5xx, or a 200 that is no JSON. */
function outcomeOf(status: number, chunks: readonly Buffer[], as: ServiceCall['as']): ServiceOutcome {
  if (status >= 500) return { kind: 'failed', why: `it answered ${status}` };
  if (status !== 200) return { kind: 'answered', status, value: undefined };
  const [first] = chunks;
  const body = first === undefined || chunks.length > 1 ? Buffer.concat(chunks) : first;
  if (as === 'bytes') return { kind: 'answered', status, value: body };
  try {
    return { kind: 'answered', status, value: JSON.parse(body.toString('utf8')) };
  } catch {
    return { kind: 'failed', why: 'the call failed' };
  }
}
