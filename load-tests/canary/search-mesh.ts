import type { CanaryMedium } from './canary-medium.ts';
import type { Needle } from './needle.ts';

/** A region to be searched. */
export interface CanaryRegion {
  readonly id: string;
  /** Its region.yaml: names its folders, its broker and its processes. */
  readonly configPath: string;
  /** Whether its processes run: then broker, LMDB and HTTP are asked beside the files; else files alone are read. */
  readonly running: boolean;
}

/** What CanarySearch asks for; `searchMesh` takes it. */
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
