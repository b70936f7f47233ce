import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { WriteAnswer } from '@featuremesh/contracts/http-rows';
import { MAX_LISTED_REJECTIONS } from '@featuremesh/domain/limits';
import { z } from 'zod';

/** A row as the rows API takes it. */
const rowSchema = z.strictObject({
  key: z.record(z.string(), z.unknown()),
  eventTime: z.iso.datetime(),
  createdTime: z.iso.datetime().exactOptional(),
  features: z.record(z.string(), z.unknown()),
});

/** A row as a sink keeps it. */
export type SunkRow = z.infer<typeof rowSchema>;

/**
 * A server for tests that answers the rows and read API of a region as far as loaders use it: it checks every row's shape, keeps rows
 * by group, honours idempotency keys, and may refuse the first attempts of requests. No region: it judges neither values nor policy.
 */
export class RegionSink {
  readonly id: string;
  readonly #server: Server;
  readonly #groups = new Map<string, SunkRow[]>();
  readonly #bodies = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #refuse: ((request: number) => number | undefined) | undefined;
  readonly #reject: ((request: number, row: number) => string | undefined) | undefined;
  readonly #mesh: readonly RegionSink[];
  #requests = 0;

  /**
   * `refuse` gives the status of a refusal for the n-th write request, or undefined to accept it; `reject` the code that a row of it is
   * rejected with. A read finds what any sink of `mesh` holds, as if all groups were replicated.
   */
  constructor(
    id: string,
    options: {
      refuse?: (request: number) => number | undefined;
      reject?: (request: number, row: number) => string | undefined;
      mesh?: readonly RegionSink[];
    } = {},
  ) {
    this.id = id;
    this.#refuse = options.refuse;
    this.#reject = options.reject;
    this.#mesh = options.mesh ?? [this];
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Base URL, once it listens. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the sink does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Rows of a group in the order of arrival; each batch once. */
  rows(group: string): readonly SunkRow[] {
    return this.#groups.get(group) ?? [];
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const group = /^\/v1\/groups\/(?:[a-z0-9-]+\/)?(\w+)\/rows/.exec(request.url ?? '')?.[1];
    if (group === undefined) {
      this.#json(response, 200, this.#read(body));
      return;
    }
    this.#requests += 1;
    const status = this.#refuse?.(this.#requests);
    if (status !== undefined) {
      response.setHeader('retry-after', '0');
      this.#json(response, status, { code: 'REFUSED_FOR_TEST', retryable: status === 429 });
      return;
    }
    const answer = this.#write(group, body, String(request.headers['idempotency-key']));
    this.#json(response, answer.rejectedTotal === 0 ? 200 : 207, answer);
  }

  #write(group: string, body: string, key: string): WriteAnswer {
    const rows = body
      .split('\n')
      .filter(line => line !== '')
      .map(line => rowSchema.parse(JSON.parse(line)));
    const known = this.#bodies.get(`${group} ${key}`);
    if (known !== undefined && known !== body)
      throw new Error('an idempotency key was used for another body');
    this.#bodies.set(`${group} ${key}`, body);
    const kept = this.#groups.get(group) ?? [];
    this.#groups.set(group, kept);
    const rejected: WriteAnswer['rejected'] = [];
    let accepted = 0;
    for (const [index, row] of rows.entries()) {
      const taken = `${group} ${key} ${index}`;
      if (this.#taken.has(taken)) continue;
      const code = this.#reject?.(this.#requests, index);
      if (code === undefined) {
        this.#taken.add(taken);
        kept.push(row);
        accepted += 1;
      } else rejected.push({ index, code, message: 'rejected for a test' });
    }
    return {
      accepted,
      duplicates: rows.length - accepted - rejected.length,
      rejectedTotal: rejected.length,
      rejected: rejected.slice(0, MAX_LISTED_REJECTIONS),
      position: 'p',
      online: 'APPLIED',
    };
  }

  /** One value for the first feature asked for, null while the group holds nothing. */
  #read(body: string) {
    const { features } = z.object({ features: z.array(z.string()) }).parse(JSON.parse(body));
    const [group = '', name = ''] = features[0]?.split(':') ?? [];
    const found = this.#mesh.some(sink => sink.rows(group).length > 0);
    const result = {
      group,
      version: 1,
      region: this.id,
      names: [name],
      columns: [[found ? 1 : null]],
      statuses: [found ? 'PRESENT' : 'NOT_FOUND'],
      eventTimes: [null],
    };
    return { rows: 1, results: [result] };
  }

  #json(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }
}
