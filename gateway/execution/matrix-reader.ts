import { FILL_MATRICES } from '@featuremesh/contracts/region-schema';
import type { FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { PlannedRead, ReadTicket } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import { unansweredPart } from '@featuremesh/domain/unanswered-part';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import { MAX_ATTEMPTS_PER_ENTITY } from '../limits.ts';
import { checkMatrix, type FilledMatrix } from './matrix-check.ts';
import type { EntityAnswer, RegionAsk } from './region-asker.ts';
import { mayFailOver, safeProblem } from './region-problem.ts';
import { type GuardContext, refusalOf } from './residency-guard.ts';

/** Asks one region; the matrix reader decides whom. */
export interface AsksRegions {
  ask(ask: RegionAsk): Promise<readonly EntityAnswer[]>;
}

/** Who asks, what is known, and until when (monotonic ms). */
export interface ReadContext extends GuardContext {
  readonly deadlineAtMs: number;
}

/** A part that is planned and permitted, with the copies that may fill it, best first. */
interface Part {
  readonly read: PlannedRead;
  readonly ticket: ReadTicket;
  readonly copies: readonly RegionId[];
  attempt: number;
}

/** What became of a part so far. */
type Outcome =
  | { readonly kind: 'filled'; readonly region: RegionId; readonly values: FilledMatrix }
  | { readonly kind: 'failed'; readonly region: RegionId | null; readonly problem: Problem };

/**
 * Fills planned reads from regions: one request per region, equal tickets once, and where a copy fails the next permitted one.
 * Answers in the order of the reads; what could not be read is a part with its problem (V4, V5). Never throws for a region's sake.
 */
export class MatrixReader {
  readonly #regions: AsksRegions;
  readonly #clock: MonotonicClock;
  readonly #log: Logger;
  readonly #onReads: ((reads: readonly PlannedRead[]) => void) | undefined;

  constructor(options: {
    readonly regions: AsksRegions;
    readonly clock: MonotonicClock;
    readonly log: Logger;
    /** Told of each call's reads, for metrics. */
    readonly onReads?: (reads: readonly PlannedRead[]) => void;
  }) {
    this.#regions = options.regions;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onReads = options.onReads;
  }

  /** One matrix per read, in the order of the reads. */
  async read(reads: readonly PlannedRead[], context: ReadContext): Promise<readonly FeatureMatrix[]> {
    this.#onReads?.(reads);
    const outcomes = new Map<PlannedRead, Outcome>();
    let pending: Part[] = [];
    for (const read of reads) {
      const part = partOf(read);
      if (part === undefined) outcomes.set(read, refused(read));
      else pending.push(part);
    }
    for (let round = 0; pending.length > 0 && round < MAX_ATTEMPTS_PER_ENTITY; round += 1)
      pending = await this.#round(pending, outcomes, context);
    return reads.map(read => matrixOf(read, outcomes.get(read) ?? refused(read)));
  }

  /** Asks each pending part's current copy; returns the parts that go on to their next copy. */
  async #round(
    pending: readonly Part[],
    outcomes: Map<PlannedRead, Outcome>,
    context: ReadContext,
  ): Promise<Part[]> {
    const byRegion = new Map<RegionId, Part[]>();
    const next: Part[] = [];
    const settle = (part: Part, region: RegionId, reason: Problem): void => {
      outcomes.set(part.read, { kind: 'failed', region, problem: reason });
      part.attempt += 1;
      if (mayFailOver(reason.code) && part.attempt < part.copies.length) next.push(part);
    };
    for (const part of pending) {
      const region = part.copies[part.attempt];
      if (region === undefined) continue;
      const refusal = refusalOf(part.read, region, context);
      if (refusal !== undefined) {
        this.#log.error(
          { region, group: part.read.groupId, code: refusal.code, security: true },
          'the plan named a region that policy excludes',
        );
        settle(part, region, refusal);
      } else byRegion.set(region, [...(byRegion.get(region) ?? []), part]);
    }
    await Promise.all(
      [...byRegion].map(([region, parts]) =>
        this.#ask(region, parts, context, (part, answer) => {
          const filled =
            answer.kind === 'entity' ? checkMatrix(answer.entity, part.ticket, region) : undefined;
          if (filled?.ok) outcomes.set(part.read, { kind: 'filled', region, values: filled.value });
          else settle(part, region, problemOf(answer, filled?.problem, region));
        }),
      ),
    );
    return next;
  }

  async #ask(
    region: RegionId,
    parts: readonly Part[],
    context: ReadContext,
    take: (part: Part, answer: EntityAnswer) => void,
  ): Promise<void> {
    const texts = parts.map(part => representationOf(region, part.ticket));
    const distinct = [...new Set(texts)];
    const remainingMs = Math.floor(context.deadlineAtMs - this.#clock.monotonicMs());
    // A part that has another copy keeps half of what is left for it.
    const hasMore = parts.some(part => part.attempt + 1 < part.copies.length);
    const timeoutMs = hasMore ? Math.ceil(remainingMs / 2) : remainingMs;
    const late: EntityAnswer = {
      kind: 'problem',
      problem: problem('DEADLINE_EXCEEDED', `the deadline passed before ${region} was asked`, {
        extra: { region },
      }),
    };
    const answers =
      timeoutMs <= 0
        ? []
        : await this.#regions.ask({
            region,
            query: FILL_MATRICES,
            representations: distinct,
            caller: context.caller,
            timeoutMs,
          });
    const byText = new Map(distinct.map((text, index) => [text, answers[index] ?? late]));
    for (const [index, part] of parts.entries()) take(part, byText.get(texts[index] ?? '') ?? late);
  }
}

/** JSON text of the reference that a region fills. */
export function representationOf(region: RegionId, ticket: ReadTicket): string {
  return JSON.stringify({ __typename: 'FeatureMatrix', region, read: ticket });
}

function partOf(read: PlannedRead): Part | undefined {
  const { region, ticket } = read;
  if (region === null || ticket === null || read.problem !== undefined) return undefined;
  const copies = [...new Set([region, ...read.alternatives])].slice(0, MAX_ATTEMPTS_PER_ENTITY);
  return { read, ticket, copies, attempt: 0 };
}

function problemOf(answer: EntityAnswer, malformed: Problem | undefined, region: RegionId): Problem {
  if (answer.kind === 'problem') return answer.problem;
  return malformed ?? problem('REGION_UNAVAILABLE', `${region} is not available`, { extra: { region } });
}

function refused(read: PlannedRead): Outcome {
  const reason = read.problem ?? problem('INTERNAL', 'the part was not planned');
  return { kind: 'failed', region: read.region, problem: reason };
}

function matrixOf(read: PlannedRead, outcome: Outcome): FeatureMatrix {
  const { region } = outcome;
  if (outcome.kind === 'failed') return unansweredPart({ ...read, region }, safeProblem(outcome.problem));
  return {
    group: read.group,
    ...(read.as === undefined ? {} : { as: read.as }),
    version: read.version,
    region,
    ...(read.rowIndex === null ? {} : { rowIndex: read.rowIndex }),
    names: read.names,
    ...outcome.values,
  };
}
