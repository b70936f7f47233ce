import { type WriteAnswer, writeAnswerSchema } from '@featuremesh/contracts/http-rows';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { Timer } from '@featuremesh/runtime/timer';
import { type Dispatcher, Pool } from 'undici';
import { z } from 'zod';

/** Connections to one region: enough to keep it busy, few enough to leave it in charge of the pace. */
const MAX_CONNECTIONS = 6;
/** Attempts at one request: with pauses of at most five seconds, a quarter of an hour of a region that is away. */
const MAX_ATTEMPTS = 200;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** A request whose answer is this late counts as lost; the idempotency key makes sending it again safe. */
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_EXPLANATION_CHARS = 500;

const problemSchema = z.looseObject({
  code: z.string(),
  detail: z.string().optional(),
  retryable: z.boolean().optional(),
});

/** Rows for one group of a region. */
export interface RowBatch {
  readonly group: string;
  /** One row a line. */
  readonly ndjson: string;
  readonly idempotencyKey: string;
}

/** What became of a batch that was accepted whole. */
export interface SentBatch {
  readonly accepted: number;
  readonly duplicates: number;
  readonly position: string | null;
}

/** A batch that will never be accepted as it is: a refusal, rejected rows, or a region that stayed away. */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused';
}

/**
 * Writes batches to one region over its rows API, again and again until the region takes them: 429 and outages are waited out, also where
 * they befell a part of the rows. What is sent again is the same body under the same key, so that what was accepted is not written twice.
 */
export class RowSender {
  readonly region: string;
  readonly #pool: Pool;
  readonly #timer: Timer;
  #retries = 0;

  constructor(region: { readonly id: string; readonly url: string }, timer: Timer) {
    this.region = region.id;
    this.#timer = timer;
    this.#pool = new Pool(region.url, {
      connections: MAX_CONNECTIONS,
      pipelining: 1,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
  }

  /** Requests that were sent again, since the start. */
  get retries(): number {
    return this.#retries;
  }

  /** Resolves when every row is accepted or known already; BatchRefused otherwise, an AbortError when the signal ends it. */
  async send(batch: RowBatch, signal: AbortSignal): Promise<SentBatch> {
    let pauseMs = FIRST_PAUSE_MS;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const outcome = await this.#attempt(batch, signal);
      if (outcome.kind === 'sent') return outcome.sent;
      if (attempt === MAX_ATTEMPTS)
        throw new BatchRefused(`${this.region} did not take ${batch.group}: ${outcome.why}`);
      this.#retries += 1;
      await this.#timer.sleep(outcome.retryAfterMs ?? pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Ends connections; requests under way are given up. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #attempt(
    batch: RowBatch,
    signal: AbortSignal,
  ): Promise<
    { kind: 'sent'; sent: SentBatch } | { kind: 'again'; retryAfterMs: number | undefined; why: string }
  > {
    let response: Dispatcher.ResponseData;
    let text: string;
    try {
      response = await this.#pool.request({
        method: 'POST',
        path: `/v1/groups/${batch.group}/rows`,
        headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': batch.idempotencyKey },
        body: batch.ndjson,
        signal,
      });
      text = await response.body.text();
    } catch (error) {
      signal.throwIfAborted();
      return {
        kind: 'again',
        retryAfterMs: undefined,
        why: error instanceof Error ? error.message : 'no answer',
      };
    }
    if (response.statusCode === 200) return { kind: 'sent', sent: writeAnswerSchema.parse(JSON.parse(text)) };
    const { code, retryable } = readRefusal(text);
    const why = `${response.statusCode} ${code ?? text.slice(0, MAX_EXPLANATION_CHARS)}`;
    if (response.statusCode === 429 || response.statusCode === 503 || retryable === true) {
      return { kind: 'again', retryAfterMs: retryAfterMs(response.headers['retry-after']), why };
    }
    throw new BatchRefused(
      `${this.region} refused ${batch.group}: ${why} ${text.slice(0, MAX_EXPLANATION_CHARS)}`,
    );
  }
}

interface Refusal {
  readonly code?: string | undefined;
  readonly retryable?: boolean | undefined;
}

/** Why nothing was accepted, or not everything. */
function readRefusal(text: string): Refusal {
  try {
    const body: unknown = JSON.parse(text);
    const partly = writeAnswerSchema.safeParse(body);
    if (partly.success) return refusalOf(partly.data);
    const whole = problemSchema.safeParse(body);
    return whole.success ? whole.data : {};
  } catch {
    return {};
  }
}

/** One row that will never be accepted makes the batch one; before that is told, all that can be accepted shall be. */
function refusalOf({ rejected }: WriteAnswer): Refusal {
  const later = rejected.find(({ code }) => isRetryable(code));
  return { code: (later ?? rejected[0])?.code, retryable: later !== undefined };
}

function isRetryable(code: string): boolean {
  return Object.entries(ERRORS).some(([known, { retryable }]) => known === code && retryable);
}

function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header);
  return header === undefined || !Number.isFinite(seconds)
    ? undefined
    : Math.min(Math.max(seconds * 1_000, 0), LONGEST_PAUSE_MS);
}
