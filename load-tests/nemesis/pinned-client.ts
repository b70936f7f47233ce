import type { SeededRandom } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import { request } from 'undici';
import type { Needle } from '../canary/needle.ts';
import { type CanaryReport, canaryRegion, searchMesh } from '../canary/search-mesh.ts';
import type { Mesh, MeshRegion } from '../mesh/mesh-regions.ts';

/** Without a policy it stays in its home region: default deny. */
const GROUP = 'nemesis_pinned';
const PAUSE_MS = 250;
const ANSWER_TIMEOUT_MS = 5_000;
/** Values of a run: each is looked for in every medium of every region. */
const MAX_VALUES = 200;

/** A pinned value that was sent, and whether it was acknowledged, so that it must be at home. */
export interface PinnedValue {
  readonly needle: Needle;
  readonly acknowledged: boolean;
}

/** Writes values that may be in one region alone, until the signal; resolves with all that left. */
export async function pinnedClient(
  home: MeshRegion,
  options: { readonly random: SeededRandom; readonly timer: Timer; readonly signal: AbortSignal },
): Promise<readonly PinnedValue[]> {
  const { random, timer, signal } = options;
  const sent: PinnedValue[] = [];
  while (!signal.aborted && sent.length < MAX_VALUES) {
    const name = `pinned value ${sent.length + 1}`;
    const text = random.base32(24);
    const where = { placement: [home.id], gateways: [home.id] };
    const acknowledged = await write(home, { item: `pinned-${sent.length}`, note: text });
    sent.push({ needle: { name, value: { kind: 'text', text }, ...where }, acknowledged });
    await timer.sleep(PAUSE_MS, signal);
  }
  return sent;
}

/** Looks for the values in every medium of the mesh; what is wrong, a line each: a leak, a medium not searched, a search that finds nothing. */
export async function searchPinned(mesh: Mesh, sent: readonly PinnedValue[]): Promise<readonly string[]> {
  const report = await searchMesh({
    regions: mesh.regions.map(canaryRegion),
    needles: sent.map(({ needle }) => needle),
  });
  return [...faultsOf(report), ...unfound(report, sent)];
}

function faultsOf({ leaks, hollow, unreadable }: CanaryReport): readonly string[] {
  return [
    ...leaks.map(
      ({ needle, region, medium, where, form }) =>
        `R1: ${needle} is in ${medium} of ${region}: ${where}, ${form}`,
    ),
    ...hollow.map(title => `canaries were not searched in ${title}: it lacks what every working one holds`),
    ...unreadable.map(title => `canaries were not searched in ${title}`),
  ];
}

/** A search that overlooks what must be there proves nothing about what must not. */
function unfound({ findings }: CanaryReport, sent: readonly PinnedValue[]): readonly string[] {
  const found = new Set(findings.map(({ needle }) => needle));
  return sent
    .filter(({ needle, acknowledged }) => acknowledged && !found.has(needle.name))
    .map(({ needle }) => `${needle.name} was acknowledged and is nowhere`);
}

async function write(home: MeshRegion, { item, note }: { item: string; note: string }): Promise<boolean> {
  try {
    const response = await request(`${home.url}/v1/groups/${GROUP}/rows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        rows: [{ key: { item }, eventTime: new Date().toISOString(), features: { note } }],
      }),
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
    await response.body.dump();
    return response.statusCode === 200;
  } catch {
    return false;
  }
}
