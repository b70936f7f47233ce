import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { Client } from 'undici';
import { MAX_MESH_STATE_BYTES, MESH_STATE_WAIT_MS } from '../limits.ts';
import type { MeshStateSource } from './mesh-replica.ts';
import { parseMeshState } from './saved-state.ts';

/** Where the own region service is and how to show that we belong to it. */
export interface MeshStateClientOptions {
  readonly region: RegionId;
  /** Origins of the internal API, one for each service process, loopback. */
  readonly serviceUrls: readonly string[];
  /** Reads the internal token anew for each call, so that a token made after our start is found. */
  readonly token: () => string;
}

/**
 * The long poll of the own region service's internal API, over one connection that it owns to each service process. It stays with one
 * process until that fails; the next call then goes to the next.
 */
export class MeshStateClient {
  readonly #options: MeshStateClientOptions;
  readonly #clients: readonly Client[];
  #at = 0;

  constructor(options: MeshStateClientOptions) {
    this.#options = options;
    this.#clients = options.serviceUrls.map(
      url =>
        new Client(url, {
          headersTimeout: MESH_STATE_WAIT_MS + 5_000,
          bodyTimeout: 10_000,
          connectTimeout: 2_000,
          maxResponseSize: MAX_MESH_STATE_BYTES,
        }),
    );
  }

  /** The state as `MeshStateSource` promises. Throws where the service fails or answers for another region. */
  readonly next: MeshStateSource = async (after, signal) => {
    try {
      return await this.#ask(after, signal);
    } catch (error) {
      this.#at = (this.#at + 1) % this.#clients.length;
      throw error;
    }
  };

  async #ask(after: number | undefined, signal: AbortSignal): ReturnType<MeshStateSource> {
    const client = this.#clients[this.#at];
    if (client === undefined)
      throw new ProblemError(problem('INVALID_CONFIG', 'no service process is named'));
    const answer = await client.request({
      method: 'GET',
      path: `/internal/v1/mesh-state?after=${after ?? 0}&waitMs=${after === undefined ? 0 : MESH_STATE_WAIT_MS}`,
      headers: { authorization: `Bearer ${this.#options.token()}` },
      signal,
    });
    if (answer.statusCode === 204 || answer.statusCode === 304) {
      await answer.body.dump();
      return undefined;
    }
    const text = await answer.body.text();
    if (answer.statusCode !== 200)
      throw new ProblemError(problem('REGION_UNAVAILABLE', `mesh state answered ${answer.statusCode}`));
    const state = parseMeshState(JSON.parse(text), this.#options.region);
    if (state === undefined)
      throw new ProblemError(problem('CORRUPT_DATA', 'the mesh state is malformed or of another region'));
    return state;
  }

  /** Closes the connections; a poll under way rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map(client => client.destroy()));
  }
}
