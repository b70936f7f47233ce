import { type Dispatcher, Pool } from 'undici';
import type { LoadRequest } from './http-load.ts';

/** Status of an answer, and whether it says when to come back. */
export interface LeanAnswer {
  readonly status: number;
  readonly hasRetryAfter: boolean;
}

/**
 * Sends requests and throws their answers' bodies away as they come. Where the client shares the processor with what it measures, each
 * stream that it made for a body would be measured too: a third of a millisecond.
 */
export class LeanClient {
  readonly #pool: Pool;

  constructor(url: string, connections: number) {
    this.#pool = new Pool(url, { connections });
  }

  /** Resolves when the answer is complete; rejects where there is none. */
  post({ path, body, contentType }: LoadRequest): Promise<LeanAnswer> {
    return new Promise((resolve, reject) => {
      let answer: LeanAnswer = { status: 0, hasRetryAfter: false };
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, status, headers) => {
          answer = { status, hasRetryAfter: headers['retry-after'] !== undefined };
        },
        onResponseData: () => undefined,
        onResponseEnd: () => resolve(answer),
        onResponseError: (_controller, error) => reject(error),
      };
      this.#pool.dispatch({ method: 'POST', path, body, headers: { 'content-type': contentType } }, handler);
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}
