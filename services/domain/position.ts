import type { RegionId } from './region-id.ts';

/** Where an acknowledged write stands: a later read in any region can wait for it (A5). */
export interface Position {
  readonly origin: RegionId;
  /** Identity of the origin's FEED stream; a re-created log has another. */
  readonly feedEpoch: string;
  readonly groupId: string;
  /** Node slot of the appending process. */
  readonly appender: number;
  /** FEED sequence of the last chunk of the write. */
  readonly sequence: number;
}

const FORMAT = 'p1';
const PATTERN = /^p1\.([a-z0-9-]{1,24})\.([a-z0-9]{1,32})\.([a-z2-7]{16})\.(\d{1,5})\.(\d{1,16})$/;

/** The opaque token that clients keep. */
export function formatPosition(position: Position): string {
  const { origin, feedEpoch, groupId, appender, sequence } = position;
  return `${FORMAT}.${origin}.${feedEpoch}.${groupId}.${appender}.${sequence}`;
}

/** Parses a token; undefined where it is none. */
export function parsePosition(token: string): Position | undefined {
  const match = PATTERN.exec(token);
  if (match === null) return undefined;
  const [, origin, feedEpoch, groupId, appender, sequence] = match;
  if (origin === undefined || feedEpoch === undefined || groupId === undefined) return undefined;
  return {
    origin: origin as RegionId,
    feedEpoch,
    groupId,
    appender: Number(appender),
    sequence: Number(sequence),
  };
}
