import { catalogueEntrySchema } from '@featuremesh/contracts/catalogue-entry';
import {
  owedRefillsSchema,
  refillAppliedSchema,
  SNAPSHOT_HEADERS,
} from '@featuremesh/contracts/internal-api';
import type { LinkStatus } from '@featuremesh/contracts/link-status';
import { meshStateSchema } from '@featuremesh/contracts/mesh-state';
import { positionSchema } from '@featuremesh/contracts/wire-primitives';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { Agent, type Dispatcher, request } from 'undici';
import { z } from 'zod';
import type { GroupVersion, RegionService, SnapshotPage } from '../../ports/region-service.ts';

/** Beyond the wait that a long poll asks for. */
const TIMEOUT_MS = 10_000;
/** Of an answer in JSON: a mesh state with hundreds of groups is a few megabytes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const watermarksSchema = z.array(positionSchema);
const ownEntriesSchema = z.object({ entries: z.array(catalogueEntrySchema) });

/** Where the region's service processes listen, and what they are shown. */
export interface HttpRegionServiceOptions {
  /** Base URLs of all slots; any of them can answer. */
  readonly urls: readonly string[];
  /** Read at every call: the file may be made anew. */
  readonly token: () => string;
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly waitMs?: number;
}

/** The internal API of the region's own service (services/ARCHITECTURE.md). Rejects with REGION_UNAVAILABLE where no slot answers. */
export class HttpRegionService implements RegionService {
  readonly #options: HttpRegionServiceOptions;
  readonly #agent = new Agent({ keepAliveTimeout: 10_000 });
  #preferred = 0;

  constructor(options: HttpRegionServiceOptions) {
    this.#options = options;
  }

  async meshState(after: number, waitMs: number): Promise<MeshState> {
    const answer = await this.#json({ method: 'GET', path: 'mesh-state', query: { after, waitMs }, waitMs });
    return meshStateSchema.parse(answer);
  }

  async ownEntries(peer: string, after: number): Promise<readonly CatalogueEntry[]> {
    const answer = await this.#json({ method: 'GET', path: 'own-entries', query: { peer, after } });
    return ownEntriesSchema.parse(answer).entries;
  }

  async importEntries(peer: string, entries: readonly CatalogueEntry[]): Promise<void> {
    await this.#tell('entries', { peer, entries });
  }

  async confirmPolicy(confirmation: { home: string; epoch: number; atMs: number }): Promise<void> {
    await this.#tell('policy-confirmed', confirmation);
  }

  async enforced(report: { revision: number; hash: string }): Promise<void> {
    await this.#tell('enforced', report);
  }

  async reportLinks(links: readonly LinkStatus[]): Promise<void> {
    await this.#tell('links', { links });
  }

  async owedRefills(peer: string): Promise<readonly GroupVersion[]> {
    return owedRefillsSchema.parse(await this.#json({ method: 'GET', path: 'refills', query: { peer } }))
      .groups;
  }

  async refilled(report: GroupVersion & { peer: string; throughSequence: number }): Promise<boolean> {
    return refillAppliedSchema.parse(await this.#json({ method: 'POST', path: 'refilled', body: report }))
      .applied;
  }

  async snapshotPage(page: {
    groupId: string;
    version: number;
    after?: string;
    limit: number;
  }): Promise<SnapshotPage> {
    const { groupId: group, version, after, limit } = page;
    const query = { group, version, limit, after };
    const { headers, body } = await this.#call({ method: 'GET', path: 'snapshot', query });
    const next = text(headers[SNAPSHOT_HEADERS.next]);
    const watermarks = text(headers[SNAPSHOT_HEADERS.watermarks]);
    return {
      body: new Uint8Array(await body.arrayBuffer()),
      watermarks: watermarks === undefined ? [] : watermarksSchema.parse(JSON.parse(watermarks)),
      ...(next === undefined ? {} : { next }),
    };
  }

  /** Closes its connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #tell(path: string, body: unknown): Promise<void> {
    const answer = await this.#call({ method: 'POST', path, body });
    await answer.body.dump();
  }

  async #json(call: Call): Promise<unknown> {
    const { body } = await this.#call(call);
    const bytes = await body.arrayBuffer();
    if (bytes.byteLength > MAX_ANSWER_BYTES) throw unavailable(`${call.path}: the answer is too large`);
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  }

  /** Asks the slot that answered last, then the others, once each. */
  async #call(call: Call): Promise<Dispatcher.ResponseData> {
    const { urls } = this.#options;
    let failure: unknown;
    for (let turn = 0; turn < urls.length; turn++) {
      const slot = (this.#preferred + turn) % urls.length;
      try {
        const answer = await this.#ask(urls[slot] ?? '', call);
        this.#preferred = slot;
        return answer;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #ask(url: string, { method, path, query, body, waitMs = 0 }: Call): Promise<Dispatcher.ResponseData> {
    const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
    const timeoutMs = waitMs + TIMEOUT_MS;
    let answer: Dispatcher.ResponseData;
    try {
      answer = await request(`${url}/internal/v1/${path}`, {
        method,
        dispatcher: this.#agent,
        query: Object.fromEntries(given),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        headers: {
          authorization: `Bearer ${this.#options.token()}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new ProblemError(problem('REGION_UNAVAILABLE', `the region service does not answer ${path}`), {
        cause,
      });
    }
    if (answer.statusCode < 300) return answer;
    await answer.body.dump();
    throw unavailable(`the region service answered ${path} with status ${answer.statusCode}`);
  }
}

function unavailable(detail: string): ProblemError {
  return new ProblemError(problem('REGION_UNAVAILABLE', detail));
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
