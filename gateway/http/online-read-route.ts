import { parseOnlineReadRequest } from '@featuremesh/contracts/http-read';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import type { OnlineAnswer } from '@featuremesh/domain/online-answer';
import { problem } from '@featuremesh/domain/problem';
import type { Metrics } from '@featuremesh/runtime/metrics';
import { outcomeOfStatus } from '@featuremesh/runtime/request-outcome';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { MatrixReader } from '../execution/matrix-reader.ts';
import { planOnline, type RegionKnowledge, refusalOfAll, regionsAfter } from '../execution/online-plan.ts';
import type { OwnReader } from '../execution/own-reader.ts';
import { isErrorCode } from '../execution/region-problem.ts';
import type { RequestContext } from '../execution/request-context.ts';
import { MAX_REQUEST_BODY_BYTES } from '../limits.ts';
import { sendProblem } from './problem-reply.ts';

/** What the route works with. */
export interface OnlineReadRouteOptions {
  readonly newContext: () => RequestContext;
  readonly regions: RegionKnowledge;
  readonly matrices: MatrixReader;
  readonly own: OwnReader;
  readonly metrics: Metrics;
}

/**
 * `POST /v1/online/read`: the same plan and the same region calls as GraphQL's `online`. 200 where any part was answered; where
 * policy refuses every part a problem with its candidates; where no part could be read the answer with the first problem's status.
 */
export function registerOnlineRead(fastify: FastifyInstance, parts: OnlineReadRouteOptions): void {
  const { newContext, regions, matrices, own, metrics } = parts;
  const texts = new WeakMap<object, string>();
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    texts.set(request, String(text));
    parse(request, String(text), done);
  });
  const partial = new WeakSet<object>();
  const onResponse = (request: object, reply: FastifyReply, done: () => void): void => {
    const whole = outcomeOfStatus(reply.statusCode);
    const outcome = whole === 'complete' && partial.has(request) ? 'partial' : whole;
    const seconds = reply.elapsedTime / 1_000;
    metrics.observe('featuremesh_gateway_operation_seconds', { kind: 'http', outcome }, seconds);
    done();
  };
  const options = { bodyLimit: MAX_REQUEST_BODY_BYTES, onResponse };
  fastify.post('/v1/online/read', options, async (request, reply) => {
    const context = newContext();
    const asked = parseOnlineReadRequest(request.body);
    if (!asked.ok) return sendProblem(reply, asked.problem);
    const json = () => texts.get(request) ?? '';
    const first = await own.read({ request: asked.value, json }, context.read);
    if (first.kind === 'whole') return reply.type('application/json; charset=utf-8').send(first.bytes);
    const plan = planOnline(asked.value, context, regionsAfter(first, regions, context));
    if (!plan.ok) return sendProblem(reply, plan.problem);
    const refusal = refusalOfAll(plan.value);
    if (refusal !== undefined) {
      if (refusal.code === 'RESIDENCY_REDIRECT') metrics.count('featuremesh_gateway_redirects_total', {});
      return sendProblem(reply, refusal);
    }
    const results = await matrices.read(plan.value.reads, context.read);
    const answer: OnlineAnswer = { rows: plan.value.rows, results };
    const reason = results.find(result => result.problem !== undefined)?.problem;
    if (reason !== undefined) partial.add(request);
    if (reason === undefined || results.some(result => result.columns !== null)) return reply.send(answer);
    const code: ErrorCode = isErrorCode(reason.code) ? reason.code : 'INTERNAL';
    const { region, candidates } = reason;
    return sendProblem(
      reply,
      problem(code, reason.detail ?? ERRORS[code].title, {
        extra: { ...answer, region, ...(candidates === undefined ? {} : { candidates }) },
      }),
    );
  });
}
