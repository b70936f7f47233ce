import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { ChunkRow } from '@featuremesh/domain/feed-chunk';
import type { FeatureMatrix } from '@featuremesh/domain/online-answer';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import type { FeedCursor } from '../simulation/feed-stream.ts';

/** One message as a region's FEED stored it, whatever became of it later. */
export interface FeedAppend {
  readonly region: string;
  readonly sequence: number;
  /** Empty for a message that only moves a cursor. */
  readonly groupId: string;
  readonly rows: readonly ChunkRow[];
  /** Undefined for rows that the region accepted itself. */
  readonly imported: FeedCursor | undefined;
  /** True time. */
  readonly atMs: number;
  /** The region's own clock at that moment. */
  readonly regionMs: number;
}

/** One batch as the exporter's broker stored it. */
export interface OutAppend {
  readonly from: string;
  readonly to: string;
  readonly seq: number;
  readonly envelope: LinkEnvelope;
  readonly rows: readonly ChunkRow[];
  readonly atMs: number;
}

/** Bytes that came to rest somewhere in a region, for the search for canaries. */
export interface Resting {
  readonly region: string;
  readonly place: 'FEED' | 'HELD' | 'OUT' | 'store' | 'log line';
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** A row that a client was told is accepted. */
export interface AcknowledgedRow {
  readonly region: string;
  readonly groupId: string;
  readonly key: Uint8Array;
  /** What tells the row apart: `rowIdentity` of its packed bytes. */
  readonly identity: string;
  readonly atMs: number;
}

/** A write with the token that lets a later read wait for it, and what was acknowledged with it. */
export interface PositionedWrite {
  readonly region: string;
  readonly groupId: string;
  readonly position: string;
  readonly rows: readonly { readonly keyName: string; readonly key: Uint8Array; readonly identity: string }[];
}

/** What an importer told its region, with both clocks. */
export interface ProgressReport {
  readonly region: string;
  readonly peer: string;
  readonly knownAsOfMs: number;
  readonly throughSequence: number;
  readonly atMs: number;
}

/** What a region said of its lag behind a peer at one moment. */
export interface LagSample {
  readonly region: string;
  readonly peer: string;
  readonly lagMs: number;
  /** The region's clock and the imports that its store had applied by then. */
  readonly regionMs: number;
  readonly appliedThrough: number;
}

/** A stored watermark that was seen to move. */
export interface WatermarkMove {
  readonly region: string;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** A read with its answer. */
export interface AnsweredRead {
  readonly region: string;
  readonly ticket: ReadTicket;
  readonly answer: FeatureMatrix;
  /** The region's clock just before and just after the read. */
  readonly beforeMs: number;
  readonly afterMs: number;
  /** The write that the read waited for, if any. */
  readonly waitedFor: PositionedWrite | undefined;
}

/** What a region's store held at the end. */
export interface StoredTable {
  readonly region: string;
  readonly groupId: string;
  readonly rows: readonly ChunkRow[];
}

/** That a word was found in what a region keeps or is sent, or, of a registry, that it is no longer there. */
export interface Sighting {
  readonly region: string;
  readonly place: 'registry' | 'CTL' | 'log line';
  readonly word: string;
  readonly seen: boolean;
}

/** A word that not every region may know, such as a group's name. */
export interface ExpectedSecret {
  readonly word: string;
  /** Regions that know it at the end; others that may then; those that never might. */
  readonly atEnd: readonly string[];
  readonly mayAtEnd: readonly string[];
  readonly never: readonly string[];
  /** How often it was given to those who did not know it, the first time included. */
  readonly givings: number;
}

/** A row that stood in a store where a greater one of its key had stood before. */
export interface Relapse {
  readonly region: string;
  readonly groupId: string;
  readonly greatest: Uint8Array;
  readonly row: Uint8Array;
}

/** Who may hold what, written down by hand for the run, apart from the code that decides it in the product. */
export interface Expectation {
  readonly regions: readonly string[];
  readonly groups: readonly ExpectedGroup[];
  readonly secrets: readonly ExpectedSecret[];
}

/** One group as the run means it. */
export interface ExpectedGroup {
  readonly groupId: string;
  readonly name: string;
  /** All hold all rows, or each only what it accepted. */
  readonly sharing: 'shared' | 'own';
  /** Regions that may hold rows at the end. */
  readonly regions: readonly string[];
  /** Regions that might hold rows before a tightening in the run, and true time by which every region had enforced it. */
  readonly before?: { readonly regions: readonly string[]; readonly enforcedMs: number };
  readonly maxAgeMs?: number;
  /** Rows older than this may be gone. */
  readonly retentionMs?: number;
}

/** All that was seen of a run; checkers judge nothing else. */
export interface Evidence {
  readonly feeds: readonly FeedAppend[];
  readonly outs: readonly OutAppend[];
  readonly resting: readonly Resting[];
  readonly acknowledged: readonly AcknowledgedRow[];
  readonly progress: readonly ProgressReport[];
  readonly lags: readonly LagSample[];
  readonly watermarks: readonly WatermarkMove[];
  readonly reads: readonly AnsweredRead[];
  readonly stored: readonly StoredTable[];
  readonly sightings: readonly Sighting[];
  readonly relapses: readonly Relapse[];
  /** True time of the end; clocks of regions deviate from it by at most `MAX_SKEW_MS`. */
  readonly endedMs: number;
}

/** A broken invariant. `what` names regions, groups and sequences, so that a trace can be searched for them. */
export interface Violation {
  readonly invariant: string;
  readonly what: string;
}

/** Judges one invariant over a whole run. */
export type Checker = (evidence: Evidence, expectation: Expectation) => readonly Violation[];
