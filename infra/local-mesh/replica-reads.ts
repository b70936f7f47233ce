import { JsonClient } from '@featuremesh/cli/http/json-client';
import { ProblemError } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import { z } from 'zod';

/** Reads before those that count: they open the sockets. */
const WARM_UP_READS = 2;
/** Reads that count; their median is told. */
const COUNTED_READS = 7;
/** A row that every region of the demo holds. */
const ASKED = { features: ['airport_profile:city'], keys: { airport: 'SEA' } };

const answerSchema = z.object({ results: z.array(z.object({ region: z.string() })).min(1) });

/** How long one and the same row takes from the reader's own replica and from the region that it is at home in. */
export interface ReplicaReads {
  readonly reader: string;
  readonly home: string;
  /** Medians as the client sees them, through the reader's gateway. */
  readonly replicaMs: number;
  readonly homeMs: number;
}

/** Reads the same row both ways through one region's gateway. Undefined where a read fails or another region answers. */
export async function measureReplicaReads(
  reader: { readonly id: string; readonly gatewayUrl: string },
  clock: MonotonicClock,
): Promise<ReplicaReads | undefined> {
  const client = new JsonClient(reader.gatewayUrl, undefined);
  try {
    const replica = await timed(client, 'nearest', clock);
    const home = await timed(client, 'home', clock);
    if (replica.region !== reader.id || home.region === reader.id) return undefined;
    return { reader: reader.id, home: home.region, replicaMs: replica.medianMs, homeMs: home.medianMs };
  } catch (error) {
    if (error instanceof ProblemError || error instanceof z.ZodError) return undefined;
    throw error;
  } finally {
    await client.close();
  }
}

async function timed(
  client: JsonClient,
  consistency: 'nearest' | 'home',
  clock: MonotonicClock,
): Promise<{ region: string; medianMs: number }> {
  const tookMs: number[] = [];
  let region = '';
  for (let at = 0; at < WARM_UP_READS + COUNTED_READS; at += 1) {
    const startedMs = clock.monotonicMs();
    const answer = await client.post('/v1/online/read', { json: { ...ASKED, consistency } });
    if (at >= WARM_UP_READS) tookMs.push(clock.monotonicMs() - startedMs);
    region = answerSchema.parse(answer).results[0]?.region ?? '';
  }
  const sorted = tookMs.toSorted((a, b) => a - b);
  return { region, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0 };
}
