import type { Random } from '@featuremesh/runtime/random';

/** Processes of a region that are killed, as their programs are named. */
export const KILLABLE = ['service', 'sync', 'broker', 'gateway'] as const;

/** What is done to a mesh at a moment; `atMs` counts from the start of the faults. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'kill'; readonly region: string; readonly process: (typeof KILLABLE)[number] }
  /** SIGSTOP, then SIGCONT: beyond 5 s the lease of the slot has run out meanwhile. */
  | { readonly kind: 'freeze'; readonly region: string; readonly lastsMs: number }
  /** The clocks of a region's processes, those that start meanwhile included, are wrong by `offsetMs`. */
  | { readonly kind: 'clock'; readonly region: string; readonly offsetMs: number; readonly lastsMs: number }
  /** `kill -9` of what watches a region's processes; after the time it is run again, as a person does. */
  | { readonly kind: 'supervisor'; readonly region: string; readonly lastsMs: number }
  /** `kill -9` of a Cassandra node of the region, with `node` 0 in its local data centre, 1 in the other; it is started again by itself. */
  | { readonly kind: 'store'; readonly region: string; readonly node: number }
  | {
      readonly kind: 'cut' | 'black-hole';
      readonly between: readonly [string, string];
      readonly lastsMs: number;
    }
);

/** Pause between the begins of two faults. */
const PAUSE_MS = { min: 1_500, max: 4_000 };
const LASTS_MS = { min: 1_000, max: 8_000 };
const HOUR_MS = 3_600_000;
/** Between two kills of supervisors: a region that is run again takes seconds, in which other faults of it are wasted. */
const SUPERVISOR_EVERY_MS = 60_000;
/** Between two kills of Cassandra nodes: one that starts again takes a quarter of a minute of a busy machine. */
const STORE_EVERY_MS = { min: 12_000, max: 24_000 };
const NODES_PER_REGION = 2;

/** The faults of a run of this length: the same seed gives the same ones. Links are touched only where `hasWan`, Cassandra where `hasStores`. */
export function faultSchedule(
  random: Random,
  options: {
    readonly lastsMs: number;
    readonly regions: readonly string[];
    readonly hasWan: boolean;
    readonly hasStores: boolean;
  },
): readonly Fault[] {
  const { lastsMs, regions, hasWan, hasStores } = options;
  const between = (range: { min: number; max: number }): number =>
    range.min + random.int(range.max - range.min + 1);
  const region = (): string => regions[random.int(regions.length)] ?? '';
  const faults: Fault[] = [];
  for (let atMs = between(PAUSE_MS); atMs < lastsMs; atMs += between(PAUSE_MS)) {
    const draw = random.int(12);
    if (draw < 6 || (draw >= 10 && (!hasWan || regions.length < 2))) {
      const process = KILLABLE[random.int(KILLABLE.length)] ?? 'service';
      faults.push({ atMs, kind: 'kill', region: region(), process });
    } else if (draw < 8) faults.push({ atMs, kind: 'freeze', region: region(), lastsMs: between(LASTS_MS) });
    else if (draw < 10) {
      const offsetMs = draw === 8 ? HOUR_MS : -HOUR_MS;
      faults.push({ atMs, kind: 'clock', region: region(), offsetMs, lastsMs: between(LASTS_MS) });
    } else {
      const first = random.int(regions.length);
      const second = (first + 1 + random.int(regions.length - 1)) % regions.length;
      const pair = [regions[first] ?? '', regions[second] ?? ''] as const;
      const kind = draw === 10 ? 'cut' : 'black-hole';
      faults.push({ atMs, kind, between: pair, lastsMs: between(LASTS_MS) });
    }
  }
  // Drawn behind all others, so that these stay as they are for a seed.
  for (
    let atMs = SUPERVISOR_EVERY_MS / 2;
    atMs + SUPERVISOR_EVERY_MS / 2 <= lastsMs;
    atMs += SUPERVISOR_EVERY_MS
  )
    faults.push({
      atMs: atMs + random.int(PAUSE_MS.max),
      kind: 'supervisor',
      region: region(),
      lastsMs: between(LASTS_MS),
    });
  for (let atMs = between(STORE_EVERY_MS) / 2; hasStores && atMs < lastsMs; atMs += between(STORE_EVERY_MS))
    faults.push({ atMs, kind: 'store', region: region(), node: random.int(NODES_PER_REGION) });
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

/** A fault in words. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill -9 of the ${fault.process} of ${fault.region}`;
    case 'freeze':
      return `the service of ${fault.region} stands still for ${fault.lastsMs} ms`;
    case 'clock':
      return `the clock of ${fault.region} is wrong by ${fault.offsetMs / 1_000} s for ${fault.lastsMs} ms`;
    case 'supervisor':
      return `kill -9 of the supervisor of ${fault.region}, run again after ${fault.lastsMs} ms`;
    case 'store':
      return `kill -9 of Cassandra node ${fault.node + 1} of ${fault.region}`;
    case 'cut':
    case 'black-hole':
      return `${fault.kind} between ${fault.between.join(' and ')} for ${fault.lastsMs} ms`;
  }
}
