import { parseOnlineReadRequest } from '@featuremesh/contracts/http-read';
import { OWN_READ_PATH, ownReadSchema } from '@featuremesh/contracts/internal-api';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { OnlineAnswer } from '@featuremesh/domain/online-answer';
import type { Result } from '@featuremesh/domain/result';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { outcomeOfStatus, type RequestOutcome } from '@featuremesh/runtime/request-outcome';
import type { FastifyInstance } from 'fastify';
import type { RegionReader } from '../serving/region-reader.ts';
import type { ReadCaller } from '../serving/ticket-reader.ts';
import { parseInput } from './parse-input.ts';
import { sendProblem } from './problem-reply.ts';

/** Without authentication (loopback only) a caller holds every jurisdiction and purpose. */
export const EVERYONE: ReadCaller = { jurisdictions: 'all', purposes: 'all' };

/** What the read route needs. */
export interface ReadRouteOptions {
  readonly reader: RegionReader;
  readonly metrics: Metrics;
  readonly clock: MonotonicClock;
}

/** `POST /v1/online/read`: this region's own answer to an online read. */
export function registerReadRoute(fastify: FastifyInstance, options: ReadRouteOptions): void {
  const { reader, metrics, clock } = options;
  fastify.post('/v1/online/read', async (request, reply) => {
    const startedMs = clock.monotonicMs();
    const parsed = parseOnlineReadRequest(request.body);
    if (!parsed.ok) return sendProblem(reply, parsed.problem);
    const answer = await reader.read(parsed.value, EVERYONE);
    countRead(metrics, answer, clock.monotonicMs() - startedMs);
    return answer.ok ? answer.value : sendProblem(reply, answer.problem);
  });
}

/**
 * `POST /internal/v1/online/read`: the same for the region's own gateway, whose caller is believed. 204 for whatever it cannot answer in
 * full: a gateway may know other copies, and says itself what is wrong.
 */
export function registerOwnReadRoute(
  fastify: FastifyInstance,
  { reader, metrics, clock }: ReadRouteOptions & { readonly clock: Clock },
): void {
  fastify.post(OWN_READ_PATH, async (request, reply) => {
    const startedMs = clock.monotonicMs();
    const { caller, deadlineMs, request: asked } = parseInput(ownReadSchema, request.body);
    const parsed = parseOnlineReadRequest(asked);
    if (!parsed.ok || deadlineMs < clock.nowMs()) return reply.code(204).send();
    const answer = await reader.read(parsed.value, caller);
    countRead(metrics, answer, clock.monotonicMs() - startedMs);
    return answer.ok && outcomeOf(answer) === 'complete' ? answer.value : reply.code(204).send();
  });
}

function countRead(metrics: Metrics, answer: Result<OnlineAnswer>, tookMs: number): void {
  metrics.observe('featuremesh_read_seconds', { outcome: outcomeOf(answer) }, tookMs / 1_000);
  if (answer.ok) countProblems(answer.value, metrics);
  else metrics.count('featuremesh_read_problems_total', { code: answer.problem.code });
}

function outcomeOf(answer: Result<OnlineAnswer>): RequestOutcome {
  if (!answer.ok) return outcomeOfStatus(ERRORS[answer.problem.code].http);
  return answer.value.results.some(({ problem }) => problem !== undefined) ? 'partial' : 'complete';
}

function countProblems({ results }: OnlineAnswer, metrics: Metrics): void {
  for (const { problem } of results)
    if (problem !== undefined) metrics.count('featuremesh_read_problems_total', { code: problem.code });
}
