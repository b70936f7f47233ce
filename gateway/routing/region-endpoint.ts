import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionHealth } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import { Pool } from 'undici';
import {
  MAX_CALLS_PER_REGION,
  MAX_REGION_ANSWER_BYTES,
  MAX_SOCKETS_PER_REGION,
  PROBE_DEADLINE_MS,
} from '../limits.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

/** One call of a region's GraphQL endpoint. */
export interface RegionCall {
  /** JSON text of the whole body. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

const LATENCY_WEIGHT = 0.2;

/**
 * The way to one region: its sockets, breaker and measured latency. Never throws and never names the address: what goes wrong
 * comes back as a problem with the region's id.
 */
export class RegionEndpoint {
  readonly region: RegionId;
  readonly url: string;
  readonly #pool: Pool;
  readonly #breaker: CircuitBreaker;
  readonly #clock: MonotonicClock;
  readonly #timer: Timer;
  #underWay = 0;
  #latencyMs: number | undefined;

  constructor(
    region: RegionId,
    url: string,
    { clock, timer }: { readonly clock: MonotonicClock; readonly timer: Timer },
  ) {
    this.region = region;
    this.url = url;
    this.#clock = clock;
    this.#timer = timer;
    this.#breaker = new CircuitBreaker(clock);
    this.#pool = new Pool(new URL(url).origin, {
      connections: MAX_SOCKETS_PER_REGION,
      pipelining: 1,
      connectTimeout: PROBE_DEADLINE_MS,
      maxResponseSize: MAX_REGION_ANSWER_BYTES,
    });
  }

  /** What the last calls showed. */
  health(): RegionHealth {
    return this.#breaker.health();
  }

  /** Smoothed time of a health probe in ms; undefined until one was answered. */
  latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  /** Calls under way now. */
  underWay(): number {
    return this.#underWay;
  }

  /** Posts to the region's GraphQL endpoint; the parsed JSON of a 200 answer, else a problem. */
  async post({ body, headers, timeoutMs }: RegionCall): Promise<Result<unknown>> {
    if (this.#underWay >= MAX_CALLS_PER_REGION) return fail(this.#unavailable('too many calls under way'));
    if (!this.#breaker.permits()) return fail(this.#unavailable('it did not answer the last calls'));
    this.#underWay += 1;
    const late = this.#deadline(timeoutMs);
    try {
      const answer = await this.#pool.request({
        method: 'POST',
        path: `${prefixOf(this.url)}/graphql`,
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
        body,
        signal: late.signal,
      });
      const text = await answer.body.text();
      if (answer.statusCode >= 500) {
        this.#breaker.failed();
        return fail(this.#unavailable(`it answered ${answer.statusCode}`));
      }
      this.#breaker.succeeded();
      if (answer.statusCode !== 200) return fail(this.#unavailable(`it answered ${answer.statusCode}`));
      return ok(JSON.parse(text));
    } catch {
      // A malformed or oversized answer counts as a failure too: it is not one that a caller can use.
      this.#breaker.failed();
      return fail(late.signal.aborted ? this.#late() : this.#unavailable('the call failed'));
    } finally {
      late.cancel();
      this.#underWay -= 1;
    }
  }

  /** Asks whether the region is alive, outside client requests; updates health and latency. */
  async probe(): Promise<void> {
    if (!this.#breaker.permits()) return;
    const startedMs = this.#clock.monotonicMs();
    const late = this.#deadline(PROBE_DEADLINE_MS);
    try {
      const answer = await this.#pool.request({
        method: 'GET',
        path: `${prefixOf(this.url)}/health/live`,
        signal: late.signal,
      });
      await answer.body.dump();
      this.#measured(this.#clock.monotonicMs() - startedMs);
      if (answer.statusCode < 500) this.#breaker.succeeded();
      else this.#breaker.failed();
    } catch {
      this.#breaker.failed();
    } finally {
      late.cancel();
    }
  }

  /** Closes the sockets at once; calls under way fail. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  #measured(tookMs: number): void {
    const before = this.#latencyMs;
    this.#latencyMs = before === undefined ? tookMs : before + LATENCY_WEIGHT * (tookMs - before);
  }

  /** A signal that aborts after `ms`, unless cancelled. */
  #deadline(ms: number): { readonly signal: AbortSignal; cancel(): void } {
    const late = new AbortController();
    const done = new AbortController();
    void this.#timer.sleep(ms, done.signal).then(() => {
      if (!done.signal.aborted) late.abort();
    });
    return { signal: late.signal, cancel: () => done.abort() };
  }

  #late(): Problem {
    return problem('REGION_UNAVAILABLE', `${this.region} did not answer in time`, {
      extra: { region: this.region },
    });
  }

  #unavailable(why: string): Problem {
    return problem('REGION_UNAVAILABLE', `${this.region} is not available: ${why}`, {
      extra: { region: this.region },
    });
  }
}

function prefixOf(url: string): string {
  return new URL(url).pathname.replace(/\/$/, '');
}
