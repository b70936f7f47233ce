import { onlineAnswerSchema } from '@featuremesh/contracts/http-read';
import type { Timer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import type { Mesh, MeshRegion } from './mesh-regions.ts';

const POLL_MS = 150;
/** How long all regions may take to show what one accepted; then those that do are named and the rest is left to catch up. */
const READABLE_WITHIN_MS = 60_000;

/** Waits until each region itself shows an airport's profile and some delays; resolves with the regions that do. */
export async function untilReadable(
  mesh: Mesh,
  options: { readonly airport: string; readonly signal: AbortSignal; readonly timer: Timer },
): Promise<readonly string[]> {
  const deadlineMs = Date.now() + READABLE_WITHIN_MS;
  const shown = await Promise.all(
    mesh.regions.map(async region => {
      for (; Date.now() < deadlineMs && !options.signal.aborted; ) {
        if (await shows(region, options.airport)) return [region.id];
        await options.timer.sleep(POLL_MS, options.signal);
      }
      return [];
    }),
  );
  if (shown.flat().length === 0)
    throw new Error(`no region shows the first flights after ${READABLE_WITHIN_MS / 1_000} s`);
  return shown.flat();
}

async function shows(region: MeshRegion, airport: string): Promise<boolean> {
  const profile = await read(region, ['airport_profile:name'], airport);
  const delays = await read(region, ['airport_delays:flights_24h'], 'ORD');
  return profile && delays;
}

/** The first flights are a month old: their values count even where they are too old to be served as fresh. */
async function read(region: MeshRegion, features: string[], airport: string): Promise<boolean> {
  try {
    const response = await request(`${region.url}/v1/online/read`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features, keys: { airport }, includeStale: true }),
    });
    const body = await response.body.json();
    if (response.statusCode !== 200) return false;
    const answer = onlineAnswerSchema.parse(body);
    return (answer.results[0]?.columns?.[0]?.[0] ?? null) !== null;
  } catch {
    return false;
  }
}
