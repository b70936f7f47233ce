import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type WanChange, wanChangeSchema } from './control-protocol.ts';
import { MAX_CONTROL_BODY_BYTES } from './limits.ts';
import type { WanProxy } from './wan-proxy.ts';

/** The control API of a proxy; see control-protocol. */
export class ControlServer {
  readonly #proxy: WanProxy;
  readonly #server: Server;

  constructor(proxy: WanProxy) {
    this.#proxy = proxy;
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  /** Listens; rejects where the port is taken. */
  async listen(address: { readonly host: string; readonly port: number }): Promise<void> {
    this.#server.listen(address);
    await once(this.#server, 'listening');
  }

  /** Answers what is under way and closes. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      answer(response, 200, await this.#answerTo(request));
    } catch (error) {
      const known = error instanceof ProblemError ? error.problem : problem('INTERNAL', 'unexpected error');
      const { http, title } = ERRORS[known.code];
      answer(response, http, { code: known.code, title, detail: known.detail });
    }
  }

  async #answerTo(request: IncomingMessage): Promise<object> {
    if (!isLoopback(request.headers.host)) throw refusal('FORBIDDEN', 'only on loopback');
    const call = `${request.method} ${request.url}`;
    if (call === 'GET /health/ready') return { ready: true };
    if (call === 'POST /v1/change') await this.#change(await readChange(request));
    else if (call !== 'GET /v1/paths') throw refusal('NOT_FOUND', call);
    return { paths: this.#proxy.states() };
  }

  async #change(change: WanChange): Promise<void> {
    switch (change.action) {
      case 'set':
        this.#proxy.set(change.which, change.conditions);
        return;
      case 'cut':
        this.#proxy.cut(change.which);
        return;
      case 'black-hole':
        await this.#proxy.blackHole(change.which);
        return;
      case 'heal':
        await this.#proxy.heal(change.which);
        return;
    }
  }
}

async function readChange(request: IncomingMessage): Promise<WanChange> {
  if (request.headers['content-type']?.startsWith('application/json') !== true)
    throw refusal('UNSUPPORTED_MEDIA_TYPE', 'application/json is needed');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_CONTROL_BODY_BYTES) throw refusal('BODY_TOO_LARGE', `${MAX_CONTROL_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw refusal('MALFORMED_JSON', 'the body is not JSON');
  }
  const parsed = wanChangeSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusal('INVALID_REQUEST', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function isLoopback(host: string | undefined): boolean {
  return host !== undefined && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$/.test(host);
}

function refusal(code: Parameters<typeof problem>[0], detail: string): ProblemError {
  return new ProblemError(problem(code, detail));
}

function answer(response: ServerResponse, status: number, body: object): void {
  const type = status === 200 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}
