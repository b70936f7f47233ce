import { OWN_READ_PATH } from '@featuremesh/contracts/internal-api';
import { MAX_JSON_BODY_BYTES } from '@featuremesh/domain/limits';
import { problem } from '@featuremesh/domain/problem';
import type { Logger } from '@featuremesh/runtime/logger';
import { malformedRequestAnswer } from '@featuremesh/runtime/malformed-request';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Random } from '@featuremesh/runtime/random';
import { outcomeOfStatus } from '@featuremesh/runtime/request-outcome';
import type { Timer } from '@featuremesh/runtime/timer';
import { forgetBody } from '@featuremesh/runtime/unread-body';
import Fastify, { type FastifyInstance } from 'fastify';
import { foreseen, sendProblem } from './problem-reply.ts';

/** Idle connections are closed after this long: longer than a gateway keeps one unused. */
const KEEP_ALIVE_MS = 72_000;

/** Characters of one part of an address: `home%2Fteam.name@vN` at its longest; the framework's own bound is 100. */
const MAX_PATH_PART = 256;

/** Longest time for a request's headers and body to arrive; NDJSON imports stream for minutes. */
const REQUEST_TIMEOUT_MS = 15 * 60_000;

/** What a draining process still answers: a balancer needs a moment to look elsewhere. */
const SERVED_WHILE_DRAINING: ReadonlySet<string> = new Set([
  '/health/live',
  '/health/ready',
  '/health/route',
  '/metrics',
  '/v1/online/read',
  OWN_READ_PATH,
  '/graphql',
]);

/** What the bare server needs. */
export interface HttpServerOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly timer: Timer;
  readonly random: Random;
  /** True once the process was told to end: every answer closes its connection, so that the next request goes elsewhere. */
  readonly leaving: () => boolean;
  /** True once the process drains: changes are refused, reads and work under way go on until the listener closes. */
  readonly draining: () => boolean;
}

/**
 * A Fastify instance whose every error is an RFC 9457 problem of the catalogue. Unforeseen errors are logged with a
 * reference and answered as INTERNAL with that reference only; logs name routes, never addresses with keys in them.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { logger, metrics, timer, random, leaving, draining } = options;
  const fastify = Fastify({
    logger: false,
    bodyLimit: MAX_JSON_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PATH_PART },
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, foreseen(error) ?? problem('INVALID_REQUEST', 'the request is malformed'));
    },
    clientErrorHandler: (error, socket) => {
      if (socket.writable) socket.end(malformedRequestAnswer(error.code));
    },
  });
  // Hooks that call back cost nothing; ones that return promises cost one each.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (leaving()) reply.header('connection', 'close');
    if (!draining() || SERVED_WHILE_DRAINING.has(request.routeOptions.url ?? '')) return done();
    sendProblem(reply, problem('SHUTTING_DOWN', 'this process is draining'));
    return undefined;
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    const seconds = reply.elapsedTime / 1_000;
    metrics.count('featuremesh_http_requests_total', { route, status: String(reply.statusCode) });
    const outcome = outcomeOfStatus(reply.statusCode);
    metrics.observe('featuremesh_http_request_seconds', { route, outcome }, seconds);
    logger.debug({ route, method: request.method, status: reply.statusCode, seconds }, 'request answered');
    done();
  });
  fastify.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problem('NOT_FOUND', `nothing answers ${request.method} at this address`)),
  );
  fastify.setErrorHandler(async (error, request, reply) => {
    const known = foreseen(error);
    if (known?.code === 'BODY_TOO_LARGE') await forgetBody(request.raw, timer);
    if (known !== undefined) return sendProblem(reply, known);
    const reference = random.base32(12);
    logger.error({ err: error, reference, route: request.routeOptions.url }, 'a request failed unexpectedly');
    return sendProblem(
      reply,
      problem('INTERNAL', `unexpected; the log has it as ${reference}`, { extra: { reference } }),
    );
  });
  return fastify;
}
