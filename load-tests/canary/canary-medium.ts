import type { Needle } from './needle.ts';

/** One thing that a medium holds: a message, a stored pair, a file, a body, a stretch of a connection. */
export interface CanaryItem {
  /** Where it is in the medium, for a person: a stream and its sequence, a file; never its content. */
  readonly where: string;
  readonly bytes: Uint8Array;
}

/** A place where values of a region may turn up. It hands out bytes as they are; taking them apart is the decoders' part. */
export interface CanaryMedium {
  /** For instance `FEED`, `LMDB online`, `logs`; one region may have several media of a name. */
  readonly name: string;
  /** The region that answers for it; for a link the region that sent the bytes. */
  readonly region: string;
  /** Whether this value may be found here. */
  permits(needle: Needle): boolean;
  /** Stands in every working medium of this kind; a scan that does not meet it saw nothing and proves nothing. */
  readonly control: string | undefined;
  /** Everything that is there, once; rejects where the medium cannot be read. */
  scan(): AsyncIterable<CanaryItem>;
}
