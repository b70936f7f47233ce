import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionHealth } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Deadlines } from '@featuremesh/runtime/deadlines';
import { MAX_CALLS_PER_REGION, PROBE_DEADLINE_MS } from '../limits.ts';
import { type ServiceCall, type ServiceOutcome, ServiceWay } from './service-way.ts';

/** One call of a region. */
export interface RegionCall {
  /** JSON text of the whole body. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

type PathCall = RegionCall & Pick<ServiceCall, 'path' | 'as'>;
type Answered = Extract<ServiceOutcome, { kind: 'answered' }>;

const LATENCY_WEIGHT = 0.2;
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

/**
 * The ways to one region, one for each of its service processes that is known here, taken in turn; where one fails the next is tried
 * within the same deadline, because reads may be repeated. Never throws and never names an address: what goes wrong comes back as a
 * problem with the region's id.
 */
export class RegionEndpoint {
  readonly region: RegionId;
  /** Where its service processes answer. */
  readonly urls: readonly string[];
  readonly #ways: readonly ServiceWay[];
  readonly #clock: MonotonicClock;
  #turn = 0;
  #underWay = 0;
  #latencyMs: number | undefined;

  constructor(
    region: RegionId,
    urls: readonly string[],
    parts: { readonly clock: MonotonicClock; readonly deadlines: Deadlines },
  ) {
    this.region = region;
    this.urls = urls;
    this.#clock = parts.clock;
    this.#ways = urls.map(url => new ServiceWay(url, parts));
  }

  /** What the last calls showed: as good as the best of its ways. */
  health(): RegionHealth {
    const healths = this.#ways.map(way => way.health());
    if (healths.includes('up')) return 'up';
    return healths.includes('unknown') ? 'unknown' : 'down';
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
  async post(call: RegionCall): Promise<Result<unknown>> {
    const reply = await this.#counted({ ...call, path: '/graphql', as: 'json' });
    if (!reply.ok) return reply;
    const { status, value } = reply.value;
    return status === 200 ? ok(value) : fail(this.#unavailable(`it answered ${status}`));
  }

  /** Posts to another path; the bytes of a 200 answer, undefined for any other below 500, a problem where there was none in time. */
  async relay(call: RegionCall & { readonly path: string }): Promise<Result<Uint8Array | undefined>> {
    const reply = await this.#counted({ ...call, as: 'bytes' });
    if (!reply.ok) return reply;
    const { value } = reply.value;
    return ok(value instanceof Uint8Array ? value : undefined);
  }

  async #counted(call: PathCall): Promise<Result<Answered>> {
    if (this.#underWay >= MAX_CALLS_PER_REGION) return fail(this.#unavailable('too many calls under way'));
    this.#underWay += 1;
    try {
      return await this.#post({ ...call, headers: { ...call.headers, ...JSON_HEADERS } });
    } finally {
      this.#underWay -= 1;
    }
  }

  async #post({ body, headers, timeoutMs, path, as }: PathCall): Promise<Result<Answered>> {
    const untilMs = this.#clock.monotonicMs() + timeoutMs;
    let reason = this.#unavailable('it did not answer the last calls');
    let leftMs = timeoutMs;
    for (const way of this.#inTurn()) {
      const outcome = await way.call({ method: 'POST', path, headers, body, timeoutMs: leftMs, as });
      if (outcome === undefined) continue;
      if (outcome.kind === 'late') return fail(this.#late());
      if (outcome.kind === 'answered') return ok(outcome);
      reason = this.#unavailable(outcome.why);
      leftMs = Math.floor(untilMs - this.#clock.monotonicMs());
      if (leftMs <= 0) break;
    }
    return fail(reason);
  }

  /** Asks every service process whether it is alive, outside client requests; updates health and latency. */
  async probe(): Promise<void> {
    await Promise.all(
      this.#ways.map(async way => {
        const startedMs = this.#clock.monotonicMs();
        const outcome = await way.call({
          method: 'GET',
          path: '/health/live',
          timeoutMs: PROBE_DEADLINE_MS,
          as: 'bytes',
        });
        if (outcome?.kind === 'answered') this.#measured(this.#clock.monotonicMs() - startedMs);
      }),
    );
  }

  /** Closes the sockets at once; calls under way fail. */
  async close(): Promise<void> {
    await Promise.all(this.#ways.map(way => way.close()));
  }

  /** All ways, beginning with another one each time. */
  #inTurn(): readonly ServiceWay[] {
    if (this.#ways.length === 1) return this.#ways;
    this.#turn = (this.#turn + 1) % this.#ways.length;
    return [...this.#ways.slice(this.#turn), ...this.#ways.slice(0, this.#turn)];
  }

  #measured(tookMs: number): void {
    const before = this.#latencyMs;
    this.#latencyMs = before === undefined ? tookMs : before + LATENCY_WEIGHT * (tookMs - before);
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
