import { appendFileSync } from 'node:fs';
import { writeAnswerSchema } from '@featuremesh/contracts/http-rows';
import type { SeededRandom } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import type { MeshRegion } from '../mesh/mesh-regions.ts';
import type { Ledger, SentRow } from './ledger.ts';

const GROUP = 'us-east-1/nemesis_rows';
const MAX_BATCH_ROWS = 10;
/** Keys that all clients write; the others are written once, so that each of their rows must be there. */
const SHARED_KEYS = 100;
const SHARED_SHARE = 0.3;
const PAUSE_MS = 15;
const ANSWER_TIMEOUT_MS = 10_000;

/** What became of a client's requests. */
export interface ClientCounts {
  readonly acknowledged: number;
  /** Refused with an answer, or without any: their rows may or may not be there. */
  readonly unanswered: number;
}

/**
 * Writes small batches into one region until the signal, never again what failed, and notes what was sent and acknowledged in the ledger
 * and in a file of its own. Resolves with how many requests ended how.
 */
export async function countingClient(
  region: MeshRegion,
  options: {
    readonly ordinal: number;
    readonly ledger: Ledger;
    readonly logFile: string;
    readonly random: SeededRandom;
    readonly timer: Timer;
    readonly signal: AbortSignal;
    /** Between two batches. */
    readonly pauseMs?: number;
    readonly onUnanswered?: (rows: number) => void;
  },
): Promise<ClientCounts> {
  const { ledger, logFile, random, timer, signal } = options;
  const makeRows = rowMaker(options);
  let acknowledged = 0;
  let unanswered = 0;
  while (!signal.aborted) {
    const rows = makeRows(1 + random.int(MAX_BATCH_ROWS));
    ledger.noteSent(rows);
    appendFileSync(logFile, `${JSON.stringify({ sent: rows })}\n`);
    const accepted = await send(region, rows);
    if (accepted === undefined) {
      unanswered += 1;
      options.onUnanswered?.(rows.length);
    } else {
      acknowledged += 1;
      ledger.noteAcknowledged(accepted);
      appendFileSync(logFile, `${JSON.stringify({ acknowledged: accepted.map(({ write }) => write) })}\n`);
    }
    await timer.sleep(options.pauseMs ?? PAUSE_MS, signal);
  }
  return { acknowledged, unanswered };
}

/** Event times differ by client in their last digits, so that no two writes of a key are equally old. */
function rowMaker(options: {
  readonly ordinal: number;
  readonly random: SeededRandom;
}): (count: number) => readonly SentRow[] {
  const { ordinal, random } = options;
  let made = 0;
  let latestTick = 0;
  return count => {
    const rows = new Map<string, SentRow>();
    for (let at = 0; at < count; at += 1) {
      made += 1;
      const write = `c${ordinal}-${made}`;
      const key = random.float() < SHARED_SHARE ? `shared-${random.int(SHARED_KEYS)}` : write;
      latestTick = Math.max(latestTick + 1, Date.now() * 100);
      rows.set(key, { key, write, eventTimeUs: latestTick * 10 + ordinal });
    }
    return [...rows.values()];
  };
}

/** The rows that the region has acknowledged; undefined where it did not answer, or refused the whole. */
async function send(region: MeshRegion, rows: readonly SentRow[]): Promise<readonly SentRow[] | undefined> {
  try {
    const response = await request(`${region.url}/v1/groups/${GROUP}/rows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        rows: rows.map(({ key, write, eventTimeUs }) => ({
          key: { item: key },
          eventTime: timeText(eventTimeUs),
          features: { write },
        })),
      }),
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
    const body: unknown = await response.body.json();
    if (response.statusCode !== 200 && response.statusCode !== 207) return undefined;
    const refused = new Set(writeAnswerSchema.parse(body).rejected.map(({ index }) => index));
    return rows.filter((_, index) => !refused.has(index));
  } catch {
    return undefined;
  }
}

function timeText(us: number): string {
  const ms = Math.floor(us / 1_000);
  return `${new Date(ms).toISOString().slice(0, -1)}${String(us % 1_000).padStart(3, '0')}Z`;
}
