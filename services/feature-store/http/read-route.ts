import { parseOnlineReadRequest } from '@featuremesh/contracts/http-read';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { OnlineAnswer } from '@featuremesh/domain/online-answer';
import type { Result } from '@featuremesh/domain/result';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { outcomeOfStatus, type RequestOutcome } from '@featuremesh/runtime/request-outcome';
import type { FastifyInstance } from 'fastify';
import type { RegionReader } from '../serving/region-reader.ts';
import type { ReadCaller } from '../serving/ticket-reader.ts';
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
    const seconds = (clock.monotonicMs() - startedMs) / 1_000;
    metrics.observe('featuremesh_read_seconds', { outcome: outcomeOf(answer) }, seconds);
    if (!answer.ok) {
      metrics.count('featuremesh_read_problems_total', { code: answer.problem.code });
      return sendProblem(reply, answer.problem);
    }
    countProblems(answer.value, metrics);
    return answer.value;
  });
}

function outcomeOf(answer: Result<OnlineAnswer>): RequestOutcome {
  if (!answer.ok) return outcomeOfStatus(ERRORS[answer.problem.code].http);
  return answer.value.results.some(({ problem }) => problem !== undefined) ? 'partial' : 'complete';
}

function countProblems({ results }: OnlineAnswer, metrics: Metrics): void {
  for (const { problem } of results)
    if (problem !== undefined) metrics.count('featuremesh_read_problems_total', { code: problem.code });
}
