import type { ReadCaller } from '@featuremesh/domain/placement';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { z } from 'zod';
import type { RegionTable } from '../routing/region-table.ts';
import { problemFromRegion } from './region-problem.ts';

/** What one region is asked in one request. */
export interface RegionAsk {
  readonly region: RegionId;
  /** An `_entities` operation with the variable `representations`. */
  readonly query: string;
  /** JSON text of each distinct representation, in the order of the answers. */
  readonly representations: readonly string[];
  /** The operation's other variables. */
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly caller: ReadCaller;
  readonly timeoutMs: number;
}

/** A region's answer for one representation. */
export type EntityAnswer =
  | { readonly kind: 'entity'; readonly entity: Readonly<Record<string, unknown>> }
  | { readonly kind: 'problem'; readonly problem: Problem };

/** Makes the headers by which the region knows this gateway, its caller and the deadline, bound to the representations' JSON text. */
export type SignAsk = (ask: {
  readonly region: RegionId;
  readonly caller: ReadCaller;
  readonly timeoutMs: number;
  readonly representationsJson: string;
}) => Readonly<Record<string, string>>;

const ANSWER = z.looseObject({
  data: z
    .looseObject({ _entities: z.array(z.record(z.string(), z.unknown()).nullable()).nullish() })
    .nullish(),
  errors: z
    .array(
      z.looseObject({
        message: z.string().optional(),
        path: z.array(z.union([z.string(), z.number()])).nullish(),
        extensions: z.looseObject({ code: z.unknown() }).nullish(),
      }),
    )
    .nullish(),
  extensions: z.looseObject({ region: z.string().optional() }).nullish(),
});

type Answer = z.infer<typeof ANSWER>;

/** Asks regions for entities and checks what they answer: shape, count, and the region's stamp. Never throws. */
export class RegionAsker {
  readonly #regions: RegionTable;
  readonly #sign: SignAsk;
  readonly #clock: MonotonicClock;
  readonly #metrics: Metrics;
  readonly #log: Logger;

  constructor(options: {
    readonly regions: RegionTable;
    readonly sign: SignAsk;
    readonly clock: MonotonicClock;
    readonly metrics: Metrics;
    readonly log: Logger;
  }) {
    this.#regions = options.regions;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#sign = options.sign;
    this.#log = options.log;
  }

  /** One answer per representation, in their order. */
  async ask(ask: RegionAsk): Promise<readonly EntityAnswer[]> {
    const startedMs = this.#clock.monotonicMs();
    const answers = await this.#ask(ask);
    const { region } = ask;
    const tookMs = this.#clock.monotonicMs() - startedMs;
    this.#metrics.observe('featuremesh_gateway_region_seconds', { asked: region }, tookMs / 1_000);
    for (const answer of answers)
      if (answer.kind === 'problem')
        this.#metrics.count('featuremesh_gateway_region_failures_total', {
          asked: region,
          code: answer.problem.code,
        });
    return answers;
  }

  async #ask(ask: RegionAsk): Promise<readonly EntityAnswer[]> {
    const { region, representations } = ask;
    const all = (reason: Problem): EntityAnswer[] =>
      representations.map(() => ({ kind: 'problem', problem: reason }));
    const endpoint = this.#regions.endpoint(region);
    if (endpoint === undefined) return all(dropped(region, 'it is not listed'));
    const representationsJson = `[${representations.join(',')}]`;
    const { caller, timeoutMs } = ask;
    const headers = this.#sign({ region, caller, timeoutMs, representationsJson });
    const others = Object.entries(ask.variables ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`)
      .join('');
    const body = `{"query":${JSON.stringify(ask.query)},"variables":{"representations":${representationsJson}${others}}}`;
    const reply = await endpoint.post({ body, headers, timeoutMs });
    if (!reply.ok) return all(reply.problem);
    const complete = completeAnswer(reply.value, ask);
    if (complete !== undefined) return complete;
    const answer = ANSWER.safeParse(reply.value);
    if (!answer.success) return all(dropped(region, 'its answer is malformed'));
    return this.#check(ask, answer.data) ?? all(dropped(region, 'its answer was dropped'));
  }

  /** The answers; undefined where the whole reply must be dropped. */
  #check(ask: RegionAsk, { data, errors, extensions }: Answer): readonly EntityAnswer[] | undefined {
    const { region, representations } = ask;
    const stamp = extensions?.region;
    if (stamp !== region && (data !== null || stamp !== undefined)) {
      this.#log.error(
        { asked: region, stamp: stamp ?? null, security: true },
        'answer without the stamp of the asked region',
      );
      return undefined;
    }
    const entities = data?._entities;
    const general = errors?.find(error => typeof error.path?.[1] !== 'number');
    if (entities == null || entities.length !== representations.length) {
      if (general === undefined) return undefined;
      const reason = problemFromRegion({ ...general.extensions, detail: general.message }, region);
      return representations.map(() => ({ kind: 'problem', problem: reason }));
    }
    const failed = new Map<number, Problem>();
    for (const error of errors ?? []) {
      const [, index] = error.path ?? [];
      if (typeof index !== 'number' || failed.has(index)) continue;
      failed.set(index, problemFromRegion({ ...error.extensions, detail: error.message }, region));
    }
    return entities.map((entity, index) => {
      const reason = failed.get(index);
      if (reason !== undefined) return { kind: 'problem', problem: reason };
      if (entity === null) return { kind: 'problem', problem: dropped(region, 'it left the part out') };
      return { kind: 'entity', entity };
    });
  }
}

/** The entities of an answer without errors that carries the asked region's stamp; undefined for any other answer. */
function completeAnswer(
  value: unknown,
  { region, representations }: RegionAsk,
): readonly EntityAnswer[] | undefined {
  const { data, extensions, ...others } = memberOf(value) ?? {};
  const entities = memberOf(data)?.['_entities'];
  const isWhole =
    Object.keys(others).length === 0 &&
    memberOf(extensions)?.['region'] === region &&
    Array.isArray(entities) &&
    entities.length === representations.length;
  if (!isWhole) return undefined;
  const answers: EntityAnswer[] = [];
  for (const candidate of entities) {
    const entity = memberOf(candidate);
    if (entity === undefined) return undefined;
    answers.push({ kind: 'entity', entity });
  }
  return answers;
}

function memberOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function dropped(region: RegionId, why: string): Problem {
  return problem('REGION_UNAVAILABLE', `${region} is not available: ${why}`, { extra: { region } });
}
