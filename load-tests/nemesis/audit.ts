import { onlineAnswerSchema } from '@featuremesh/contracts/http-read';
import type { Timer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import type { MeshRegion } from '../mesh/mesh-regions.ts';
import type { HeldWrites, Ledger } from './ledger.ts';

const FEATURE = 'us-east-1/nemesis_rows:write';
/** Rows of one read, the most that a region answers. */
const READ_ROWS = 1_000;
const POLL_MS = 500;

/** How a mesh stands when nothing is done to it any more. */
export interface Audit {
  /** Until every region held what it must; undefined where `faults` remain. */
  readonly convergedMs: number | undefined;
  readonly faults: readonly string[];
}

/** Reads every key in every region, again and again until nothing is wrong or the time is over. */
export async function audit(
  regions: readonly MeshRegion[],
  ledger: Ledger,
  options: { readonly withinMs: number; readonly timer: Timer },
): Promise<Audit> {
  const startedMs = performance.now();
  for (;;) {
    const faults = await faultsNow(regions, ledger);
    const tookMs = performance.now() - startedMs;
    if (faults.length === 0) return { convergedMs: tookMs, faults };
    if (tookMs > options.withinMs) return { convergedMs: undefined, faults };
    await options.timer.sleep(POLL_MS);
  }
}

async function faultsNow(regions: readonly MeshRegion[], ledger: Ledger): Promise<readonly string[]> {
  const held = new Map<string, HeldWrites>();
  const unread: string[] = [];
  for (const region of regions) {
    try {
      held.set(region.id, await heldBy(region, ledger.keys));
    } catch (error) {
      unread.push(`${region.id} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return [...unread, ...ledger.faults(held)];
}

/** What a region answers for these keys. Rejects where a part of the answer is missing. */
export async function heldBy(region: MeshRegion, keys: readonly string[]): Promise<HeldWrites> {
  const held = new Map<string, string | undefined>();
  for (let from = 0; from < keys.length; from += READ_ROWS) {
    const asked = keys.slice(from, from + READ_ROWS);
    const response = await request(`${region.url}/v1/online/read`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features: [FEATURE], keys: { item: asked }, includeStale: true }),
    });
    const body: unknown = await response.body.json();
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    const [result] = onlineAnswerSchema.parse(body).results;
    const column = result?.columns?.[0];
    if (result === undefined || column === undefined) throw new Error(result?.problem?.code ?? 'no answer');
    asked.forEach((key, at) => {
      const write = column[result.rowIndex?.[at] ?? at];
      held.set(key, typeof write === 'string' ? write : undefined);
    });
  }
  return held;
}
