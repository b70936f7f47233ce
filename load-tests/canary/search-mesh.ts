import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { configPathOf, type MeshRegion } from '../mesh/mesh-regions.ts';
import { tableMedia } from './adapters/cassandra/table-medium.ts';
import { streamMedia } from './adapters/jetstream/stream-medium.ts';
import { lmdbMedia } from './adapters/lmdb/lmdb-medium.ts';
import type { CanaryMedium } from './canary-medium.ts';
import { storeFileMedia } from './cassandra-files.ts';
import { fileMedia } from './file-media.ts';
import type { Needle } from './needle.ts';
import { itemsOf, metricsMedium } from './said-media.ts';
import { ByteSearch, type Sighting } from './search-bytes.ts';

/** A region to be searched. */
export interface CanaryRegion {
  readonly id: string;
  /** Its region.yaml: names its folders, its broker and its processes. */
  readonly configPath: string;
  /** Whether its processes run: then broker, LMDB and HTTP are asked beside the files; else files alone are read. */
  readonly running: boolean;
}

/** A region of a mesh as mesh.json names it. Throws where that does not say where its data is. */
export function canaryRegion(region: MeshRegion): CanaryRegion {
  const { id, pids = {} } = region;
  return { id, configPath: configPathOf(region), running: Object.keys(pids).length > 0 };
}

/** What is searched, and for what. */
export interface CanarySearch {
  readonly regions: readonly CanaryRegion[];
  readonly needles: readonly Needle[];
  /** Media that only the caller can have: bytes tapped on links, exported traces, bodies of errors. */
  readonly captured?: readonly CanaryMedium[];
}

/** A needle that was met. */
export interface CanaryFinding {
  /** Name of the needle. */
  readonly needle: string;
  readonly medium: string;
  readonly region: string;
  /** Item, and the decoders that led to it: `FEED 17 › link message › zstd @ 120`. */
  readonly where: string;
  /** How it stood there: `utf-8`, `base64`, `int64 little-endian` … */
  readonly form: string;
  readonly permitted: boolean;
}

/** What was read of one medium. */
export interface SearchedMedium {
  readonly medium: string;
  readonly region: string;
  readonly items: number;
  readonly bytes: number;
  /** How often each decoder took something apart. */
  readonly decoded: Readonly<Record<string, number>>;
}

/** Result of a search. It is clean where `leaks`, `hollow` and `unreadable` are empty. */
export interface CanaryReport {
  /** Every needle met, once per needle, medium and region; those that may be there included. */
  readonly findings: readonly CanaryFinding[];
  /** Findings where the needle may not be, once per needle, form and item. */
  readonly leaks: readonly CanaryFinding[];
  readonly searched: readonly SearchedMedium[];
  /** Media that did not hold what every working one holds: their scan proves nothing. */
  readonly hollow: readonly string[];
  /** Media that could not be read, with the reason. */
  readonly unreadable: readonly string[];
}

/** Bytes searched before whoever else runs in this process has a turn. */
const BYTES_PER_TURN = 8 * 1024 * 1024;

/**
 * Looks for needles in every medium of every region: streams and LMDB (through a running region's own broker and store), all files
 * (broker, LMDB, Cassandra, objects, logs, the gateway's saved state), metrics, and what the caller captured. Reads only.
 */
export async function searchMesh({ regions, needles, captured = [] }: CanarySearch): Promise<CanaryReport> {
  return searchMedia([...regions.flatMap(mediaOf), ...captured], needles);
}

/** As `searchMesh`, in these media alone. */
export async function searchMedia(
  media: readonly CanaryMedium[],
  needles: readonly Needle[],
): Promise<CanaryReport> {
  const search = new ByteSearch(needles);
  const parts = [];
  for (const medium of media) parts.push(await searchMedium(medium, search));
  return {
    findings: parts.flatMap(part => part.findings),
    leaks: parts.flatMap(part => part.leaks),
    searched: parts.map(part => part.searched),
    hollow: parts.flatMap(part => part.hollow),
    unreadable: parts.flatMap(part => part.unreadable),
  };
}

function mediaOf({ configPath, running }: CanaryRegion): readonly CanaryMedium[] {
  const config = loadRegionConfig(configPath);
  return [
    ...fileMedia(config, dirname(configPath)),
    ...lmdbMedia(config),
    ...(config.store.type === 'lmdb' ? [] : cassandraMedia(config, { configPath, running })),
    ...(config.objects.type === 'filesystem' ? [] : [unsearched(config.id, 'S3')]),
    ...(running ? [...streamMedia(config), metricsMedium(config)] : []),
  ];
}

/** Tables through the cluster, where the region runs; its files only where they are on this machine. */
function cassandraMedia(
  config: RegionConfig,
  { configPath, running }: Pick<CanaryRegion, 'configPath' | 'running'>,
): readonly CanaryMedium[] {
  const files = storeFileMedia(config.id, dirname(configPath));
  return [...(running ? tableMedia(config) : []), ...(files ?? [unsearched(config.id, 'Cassandra files')])];
}

/** A medium that the region has and that nobody here reads yet: always reported as hollow. */
function unsearched(region: string, name: string): CanaryMedium {
  return { name, region, permits: () => true, control: name, scan: () => itemsOf([]) };
}

type MediumReport = Omit<CanaryReport, 'searched'> & { readonly searched: SearchedMedium };

async function searchMedium(medium: CanaryMedium, search: ByteSearch): Promise<MediumReport> {
  const findings = new Map<string, CanaryFinding>();
  const leaks = new Map<string, CanaryFinding>();
  const decoded: Record<string, number> = {};
  const unreadable: string[] = [];
  const title = `${medium.name} of ${medium.region}`;
  const seen = { items: 0, bytes: 0, control: medium.control === undefined };
  const onDecoded = (name: string): void => {
    decoded[name] = (decoded[name] ?? 0) + 1;
  };
  let turn = 0;
  try {
    for await (const item of medium.scan()) {
      seen.items += 1;
      seen.bytes += item.bytes.length;
      seen.control ||= Buffer.from(item.bytes.buffer, item.bytes.byteOffset, item.bytes.length).includes(
        medium.control ?? '',
      );
      for (const sighting of search.sightings(item, onDecoded)) {
        const found = findingOf(medium, sighting);
        if (!findings.has(found.needle)) findings.set(found.needle, found);
        if (!found.permitted) leaks.set(JSON.stringify([found.needle, found.form, item.where]), found);
      }
      if (seen.bytes < turn + BYTES_PER_TURN) continue;
      turn = seen.bytes;
      await nextTurn();
    }
  } catch (error) {
    unreadable.push(`${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {
    findings: [...findings.values()],
    leaks: [...leaks.values()],
    searched: { medium: medium.name, region: medium.region, items: seen.items, bytes: seen.bytes, decoded },
    hollow: seen.control || unreadable.length > 0 ? [] : [title],
    unreadable,
  };
}

function findingOf(medium: CanaryMedium, { needle, where, form }: Sighting): CanaryFinding {
  return {
    needle: needle.name,
    medium: medium.name,
    region: medium.region,
    where,
    form,
    permitted: medium.permits(needle),
  };
}
