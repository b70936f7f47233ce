import { encodeLinkRows, type LinkMessage, rowHashSum } from '@featuremesh/contracts/link-batch-codec';
import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { ChunkRow } from '@featuremesh/domain/feed-chunk';
import { MAX_CLOCK_SKEW_MS } from '@featuremesh/domain/limits';
import { regionId } from '@featuremesh/domain/region-id';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { EAST, linkState, PINNED_GROUP, SHARED_GROUP, WEST } from '@featuremesh/testkit/links/link-world';
import { expect, test } from 'vitest';
import { compilePolicy } from '../policy-compiler/compile.ts';
import { judgeRows } from './importer.ts';

const NOW_MS = Date.parse('2026-06-01T00:00:00Z');
const EU = regionId('eu-west-1');

/** West, judging what the east sends. */
const policy = compilePolicy(linkState(WEST, 1, ['shared']), NOW_MS);
const judge = (message: LinkMessage) => judgeRows(message, { peer: EAST, policy, nowMs: NOW_MS });

function row(origin: string, eventTimeMs = NOW_MS - 1_000, id = origin): ChunkRow {
  return {
    key: testKey(id),
    row: testRow({ eventTimeUs: BigInt(eventTimeMs) * 1_000n, origin, payload: id }),
  };
}

function message(rows: readonly ChunkRow[], parts: Partial<LinkEnvelope> = {}): LinkMessage {
  const envelope: LinkEnvelope = {
    protocolVersion: 1,
    kind: 'live',
    linkEpoch: 'one',
    linkSeq: 8,
    previousHash: '0'.repeat(64),
    groupId: SHARED_GROUP.id,
    version: 1,
    schemaHash: '',
    policyEpoch: '',
    origin: EAST,
    feedEpoch: 'f',
    appenders: {},
    rows: rows.length,
    rowHashSum: rowHashSum(rows),
    clockMinUs: '0',
    clockMaxUs: '0',
    sentAtMs: 0,
    ...parts,
  };
  return { envelope, body: encodeLinkRows(rows) };
}

const snapshot: Partial<LinkEnvelope> = {
  kind: 'snapshot',
  snapshot: { requestId: 'r', last: true, watermarks: [] },
};

test('rows of the peer that policy permits are taken byte for byte', () => {
  const rows = [row(EAST, NOW_MS, 'a'), row(EAST, NOW_MS - 5, 'b')];
  const verdict = judge(message(rows));
  expect(verdict.kind).toBe('append');
  const taken = verdict.kind === 'append' ? verdict.rows : [];
  expect(taken.map(one => Buffer.from(one.row))).toEqual(rows.map(one => Buffer.from(one.row)));
  expect(taken.map(one => Buffer.from(one.key))).toEqual(rows.map(one => Buffer.from(one.key)));
});

test('a live batch with one row that another region accepted is refused whole: nothing imported is live-exported', () => {
  expect(judge(message([row(EAST), row(EU)]))).toEqual({ kind: 'refuse' });
  expect(judge(message([row(WEST)]))).toEqual({ kind: 'refuse' });
});

test('a snapshot brings rows of any origin that may be held here', () => {
  const verdict = judge(message([row(EAST), row(EU), row(WEST)], snapshot));
  expect(verdict).toMatchObject({ kind: 'append', rows: { length: 3 } });
});

test('a group that policy keeps away from here is refused live, and left out of a snapshot', () => {
  const pinned = { groupId: PINNED_GROUP.id };
  expect(judge(message([row(EAST)], pinned))).toEqual({ kind: 'refuse' });
  expect(judge(message([row(EAST), row(EU)], { ...pinned, ...snapshot }))).toEqual({
    kind: 'append',
    rows: [],
  });
});

test('rows of a group or version that is not known here wait for it', () => {
  expect(judge(message([row(EAST)], { groupId: 'strangeaaaaaaaaa' }))).toEqual({
    kind: 'hold',
    reason: 'unknown-version',
  });
  expect(judge(message([row(EAST)], { version: 2 }))).toEqual({ kind: 'hold', reason: 'unknown-version' });
});

test('a row of a revision that is not known here waits for it, and with it the rows beside it', () => {
  const newer = { key: testKey('n'), row: testRow({ eventTimeUs: 0n, origin: EAST, revision: 2 }) };
  expect(judge(message([row(EAST), newer]))).toEqual({ kind: 'hold', reason: 'unknown-version' });
});

test('an event beyond now and the permitted skew waits, one at the very bound does not', () => {
  const bound = NOW_MS + MAX_CLOCK_SKEW_MS;
  expect(judge(message([row(EAST, bound)]))).toMatchObject({ kind: 'append' });
  expect(judge(message([row(EAST, bound + 1)]))).toEqual({ kind: 'hold', reason: 'future-event-time' });
});

test('bytes that do not decode, or are not the rows that the envelope counts and sums, are poison', () => {
  const good = message([row(EAST)]);
  const poison = { kind: 'hold', reason: 'poison' };
  expect(judge({ ...good, body: good.body.slice(0, -1) })).toEqual(poison);
  expect(judge({ ...good, body: new TextEncoder().encode('no batch') })).toEqual(poison);
  expect(judge(message([row(EAST)], { rows: 2 }))).toEqual(poison);
  expect(judge(message([row(EAST)], { rowHashSum: 'f'.repeat(16) }))).toEqual(poison);
});
