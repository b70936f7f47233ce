import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { writeQuerySchema } from '@featuremesh/contracts/http-rows';
import { MAX_JSON_BODY_BYTES } from '@featuremesh/domain/limits';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { STREAM_ADMISSION_BYTES } from '../ingest/ingest-limits.ts';
import type { IngestService } from '../ingest/ingest-service.ts';
import { ndjsonLines } from '../ingest/ndjson-lines.ts';
import type { WriteBody, WriteSummary } from '../ingest/write-command.ts';

const NDJSON = /^application\/(?:x-)?(?:ndjson|jsonl|jsonlines)\b/;
const JSON_TYPE = /^application\/json\b/;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,256}$/;

/** What the route needs; `callerOf` names who writes, `anonymous` without authentication. */
export interface RowsRouteDeps {
  readonly ingest: Pick<IngestService, 'admit' | 'write'>;
  readonly callerOf: (request: FastifyRequest) => string;
}

/**
 * Adds `POST /v1/groups/{ref}/rows` (interfaces, rows API) in a scope of its own, since bodies are taken unparsed there. Errors are
 * thrown as ProblemErrors for the server's error handler. The reference may hold a `/` (`home/group`), encoded or not.
 */
export async function registerRowsRoute(fastify: FastifyInstance, deps: RowsRouteDeps): Promise<void> {
  await fastify.register(async scope => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      JSON_TYPE,
      { parseAs: 'buffer', bodyLimit: MAX_JSON_BODY_BYTES },
      (_, body, done) => done(null, body),
    );
    scope.addContentTypeParser(NDJSON, (_, payload, done) => done(null, payload));
    const options = {
      onRequest: async (request: FastifyRequest, reply: FastifyReply) => {
        const leave = deps.ingest.admit(admissionBytes(request));
        reply.raw.once('close', leave);
      },
    };
    scope.post<{ Params: { group: string } }>('/v1/groups/:group/rows', options, (request, reply) =>
      answer(request.params.group, request, reply, deps),
    );
    scope.post<{ Params: { home: string; group: string } }>(
      '/v1/groups/:home/:group/rows',
      options,
      (request, reply) => answer(`${request.params.home}/${request.params.group}`, request, reply, deps),
    );
  });
}

async function answer(
  group: string,
  request: FastifyRequest,
  reply: FastifyReply,
  { ingest, callerOf }: RowsRouteDeps,
): Promise<WriteSummary> {
  const query = writeQuerySchema.safeParse(request.query);
  if (!query.success)
    throw new ProblemError(
      problem('INVALID_REQUEST', 'query parameters are onReject=fail|skip and nonFinite=null|refuse'),
    );
  const key = idempotencyKeyOf(request);
  const body = bodyOf(request);
  const onReject = query.data.onReject ?? 'skip';
  if (onReject === 'fail' && body.kind === 'ndjson')
    throw new ProblemError(problem('INVALID_REQUEST', 'onReject=fail is for JSON bodies'));
  const summary = await ingest.write({
    group,
    caller: callerOf(request),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    onReject,
    nonFinite: query.data.nonFinite ?? 'refuse',
    body,
  });
  reply.code(statusOf(summary));
  return summary;
}

function statusOf({ accepted, duplicates, rejectedTotal }: WriteSummary): 200 | 207 | 422 {
  if (rejectedTotal === 0) return 200;
  return accepted + duplicates > 0 ? 207 : 422;
}

function bodyOf({ headers, body }: FastifyRequest): WriteBody {
  const type = headers['content-type'] ?? '';
  if (NDJSON.test(type)) return { kind: 'ndjson', lines: ndjsonLines(body as Readable) };
  if (!Buffer.isBuffer(body)) throw new ProblemError(problem('INVALID_REQUEST', 'the request has no body'));
  if (!isUtf8(body)) throw new ProblemError(problem('MALFORMED_JSON', 'the body is not valid UTF-8'));
  return { kind: 'json', text: body.toString('utf8') };
}

function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key;
  throw new ProblemError(
    problem('INVALID_REQUEST', 'Idempotency-Key is one to 256 visible ASCII characters, given once'),
  );
}

/** A JSON body is held whole; a length that is not stated counts as the longest one permitted. */
function admissionBytes({ headers }: FastifyRequest): number {
  if (NDJSON.test(headers['content-type'] ?? '')) return STREAM_ADMISSION_BYTES;
  const stated = Number(headers['content-length']);
  return Number.isSafeInteger(stated) && stated >= 0
    ? Math.min(stated, MAX_JSON_BODY_BYTES)
    : MAX_JSON_BODY_BYTES;
}
