/** Names on the wire: streams, subjects and tables, fixed here once (A3, A5). Subject tokens are never user text. */

/** A region's log of accepted rows. */
export const FEED_STREAM = 'FEED';
/** Imported batches set aside. */
export const HELD_STREAM = 'HELD';
/** Rows for one peer, in the account of the link. */
export const OUT_STREAM = 'OUT';
/** Control messages for one peer, in the account of the link. */
export const CTL_STREAM = 'CTL';
/** The one durable on OUT and on CTL. */
export const LINK_DURABLE = 'pull';
/** Stands in the group token of a message that only moves a cursor. */
export const CURSOR_TOKEN = '_cursor';

/** Subject of rows accepted here, appended by the process with this node slot. */
export const feedOwnSubject = (groupId: string, version: number, slot: number): string =>
  `FEED.${groupId}.${version}.own.${slot}`;

/** Subject of rows imported from a peer. */
export const feedImportSubject = (groupId: string, version: number, peer: string): string =>
  `FEED.${groupId}.${version}.in.${peer}`;

/** Subject of an importer's cursor where a batch left nothing to append. */
export const feedCursorSubject = (peer: string): string => `FEED.${CURSOR_TOKEN}.0.in.${peer}`;

/** Filter over all that was imported from a peer: the importer's fence is judged over it. */
export const feedImportFilter = (peer: string): string => `FEED.*.*.in.${peer}`;

/** Subject of one imported batch that was set aside: each stands there once (S2). */
export const heldSubject = (peer: string, linkEpoch: string, linkSeq: number | string): string =>
  `HELD.${peer}.${linkEpoch}.${linkSeq}`;

/** Prefix of the few calls that a region's broker takes from its peers; `$JS.<region>.API` would reach the arriving account's own API. */
export const linkApiPrefix = (region: string): string => `LINK.${region}`;

/** Subject of one group's batches on a link. */
export const outSubject = (groupId: string): string => `OUT.${groupId}`;

/** Subject of messages of a link that belong to no group (progress, link epoch). */
export const OUT_LINK_SUBJECT = 'OUT._link';

/** Subject of control messages, by kind. */
export const ctlSubject = (kind: string): string => `CTL.${kind}`;

/** Ship cursors of a link's groups, in the account of the link; one message per group. */
export const CURSOR_STREAM = 'CUR';

/** Subject of a group's ship cursor. */
export const cursorSubject = (groupId: string): string => `CUR.${groupId}`;

/** Key of OUT's stream metadata that holds the link epoch. */
export const LINK_EPOCH_METADATA = 'fm-link-epoch';

/** Core subject in the region's account on which the importer tells how far each peer is known; not stored. */
export const LINK_PROGRESS_SUBJECT = 'region.link-progress';

/** Key of FEED's stream metadata that holds its epoch. */
export const FEED_EPOCH_METADATA = 'fm-feed-epoch';

/** Headers of FEED messages: hash of a keyed body, its first answer, and the cursor of an imported batch. */
export const FEED_HEADERS = { body: 'fm-body', answer: 'fm-answer', link: 'fm-link' } as const;

/** Header of messages on FEED and OUT that belong to a sampled trace: W3C trace context (decision 0015). */
export const TRACE_HEADER = 'traceparent';

/** Table of one (group, version, placement generation) in every online store. */
export const tableName = (groupId: string, version: number, generation: number): string =>
  `g_${groupId}_v${version}_p${generation}`;

/** A subject of FEED taken apart; undefined where it is none. */
export function parseFeedSubject(
  subject: string,
): { groupId: string; version: number; kind: 'own' | 'in'; source: string } | undefined {
  const [root, groupId, version, kind, source, ...rest] = subject.split('.');
  if (root !== 'FEED' || groupId === undefined || source === undefined || rest.length > 0) return undefined;
  if (kind !== 'own' && kind !== 'in') return undefined;
  return { groupId, version: Number(version), kind, source };
}
