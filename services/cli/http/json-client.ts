import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import { Agent, request } from 'undici';
import { z } from 'zod';

/** Longest wait for the first byte of an answer: `apply` waits for the broker, and an import for a synced append. */
const ANSWER_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** Characters of a body that is no problem document shown to a person. */
const MAX_SHOWN_CHARACTERS = 300;

const problemBodySchema = z.looseObject({
  code: z.string(),
  title: z.string().optional(),
  detail: z.string().optional(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

/** What is sent: JSON, or lines of JSON. */
export type RequestBody = { readonly json: unknown } | { readonly ndjson: string | Uint8Array };

/** Speaks JSON with one region or gateway; errors come as ProblemError with the code that the server gave. */
export class JsonClient {
  readonly url: string;
  readonly #agent: Agent;
  readonly #token: string | undefined;

  constructor(url: string, token: string | undefined) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#agent = new Agent({
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
  }

  /** Asks and gives the parsed answer. REGION_UNAVAILABLE where nobody listens. */
  get(path: string): Promise<unknown> {
    return this.#exchange('GET', path, undefined, {});
  }

  /** Sends and gives the parsed answer; a status listed in `accepted` is an answer, not an error. */
  post(
    path: string,
    body: RequestBody,
    options: { headers?: Record<string, string>; accepted?: readonly number[] } = {},
  ): Promise<unknown> {
    return this.#exchange('POST', path, body, options);
  }

  /** The error that an answer of this status and body stands for. */
  problemOf(statusCode: number, value: unknown): ProblemError {
    return new ProblemError(toProblem(statusCode, value, JSON.stringify(value) ?? ''));
  }

  /** Lets go of kept connections, so that the program may end. */
  close(): Promise<void> {
    return this.#agent.close();
  }

  async #exchange(
    method: 'GET' | 'POST',
    path: string,
    body: RequestBody | undefined,
    options: { headers?: Record<string, string>; accepted?: readonly number[] },
  ): Promise<unknown> {
    const { statusCode, text } = await this.#send(method, path, body, options.headers ?? {});
    const value = parseJson(text);
    if (statusCode < 300 || options.accepted?.includes(statusCode)) return value;
    throw new ProblemError(toProblem(statusCode, value, text));
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    body: RequestBody | undefined,
    headers: Record<string, string>,
  ): Promise<{ statusCode: number; text: string }> {
    try {
      const answer = await request(`${this.url}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: {
          accept: 'application/json',
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined
            ? {}
            : { 'content-type': 'json' in body ? 'application/json' : 'application/x-ndjson' }),
          ...headers,
        },
        body: body === undefined ? null : 'json' in body ? JSON.stringify(body.json) : body.ndjson,
      });
      return { statusCode: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      const reason = typeof code === 'string' ? code : 'what listens there does not speak HTTP';
      throw new ProblemError(problem('REGION_UNAVAILABLE', `${this.url} does not answer (${reason})`), {
        cause: error,
      });
    }
  }
}

function toProblem(statusCode: number, value: unknown, text: string): Problem {
  const parsed = problemBodySchema.safeParse(value);
  if (!parsed.success || !isCode(parsed.data.code)) {
    const code =
      statusCode === 404 ? 'NOT_FOUND' : statusCode >= 500 ? 'REGION_UNAVAILABLE' : 'INVALID_REQUEST';
    return problem(code, `status ${statusCode}: ${text.slice(0, MAX_SHOWN_CHARACTERS)}`);
  }
  const {
    code,
    title,
    detail,
    issues,
    type: _type,
    status: _status,
    instance: _instance,
    retryable: _retryable,
    ...extra
  } = parsed.data;
  return {
    code,
    detail: detail ?? title ?? ERRORS[code].title,
    ...(issues === undefined ? {} : { issues }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
