import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import { regionId } from '@featuremesh/domain/region-id';
import { expect, test } from 'vitest';
import { MAX_RETIRED_EPOCHS } from './limits.ts';
import { type ChainPosition, judgeBatch, positionAfter } from './link-chain.ts';

const hash = (letter: string) => letter.repeat(64);

function batch(parts: Partial<LinkEnvelope>): LinkEnvelope {
  return {
    protocolVersion: 1,
    kind: 'live',
    linkEpoch: 'one',
    linkSeq: 8,
    previousHash: hash('a'),
    groupId: 'sharedaaaaaaaaaa',
    version: 1,
    schemaHash: '',
    policyEpoch: '',
    origin: regionId('us-east-1'),
    feedEpoch: 'f',
    appenders: {},
    rows: 0,
    rowHashSum: '0'.repeat(16),
    clockMinUs: '0',
    clockMaxUs: '0',
    sentAtMs: 0,
    ...parts,
  };
}

function epochMessage(linkSeq: number, epoch: NonNullable<LinkEnvelope['epoch']>): LinkEnvelope {
  return batch({
    kind: 'epoch',
    linkEpoch: 'two',
    linkSeq,
    previousHash: hash('0'),
    groupId: '',
    version: 0,
    epoch,
  });
}

/** Accepted through link_seq 7 of epoch `one`. */
const at7: ChainPosition = { linkEpoch: 'one', linkSeq: 7, hash: hash('a'), retired: ['zero'] };

test.each([
  ['the next batch with the right hash', batch({}), { kind: 'next' }],
  [
    'the next batch with another hash',
    batch({ previousHash: hash('b') }),
    { kind: 'gap', reason: 'broken-chain' },
  ],
  ['the last batch again', batch({ linkSeq: 7 }), { kind: 'duplicate' }],
  [
    'an old batch again, whatever its hash',
    batch({ linkSeq: 2, previousHash: hash('c') }),
    { kind: 'duplicate' },
  ],
  ['a batch of a former epoch again', batch({ linkEpoch: 'zero', linkSeq: 99 }), { kind: 'duplicate' }],
  ['a batch with one missing before it', batch({ linkSeq: 9 }), { kind: 'ahead' }],
  [
    'a batch of an epoch whose first message is missing',
    batch({ linkEpoch: 'two' }),
    { kind: 'gap', reason: 'link-epoch' },
  ],
] as const)('%s', (_what, envelope, verdict) => {
  expect(judgeBatch(at7, envelope)).toEqual(verdict);
});

test.each([
  ['names this position', 7, hash('a'), [], { kind: 'next' }],
  ['names this position with another hash', 7, hash('b'), [], { kind: 'gap', reason: 'broken-chain' }],
  ['names a later position: batches may still come', 9, hash('d'), [], { kind: 'ahead' }],
  ['names a later position, and all between was purged', 9, hash('d'), [[8, 9]], { kind: 'next' }],
  ['names a later position, and some between was purged', 10, hash('d'), [[8, 9]], { kind: 'ahead' }],
  [
    'names a later position, and two purges explain it',
    10,
    hash('d'),
    [
      [8, 8],
      [9, 12],
    ],
    { kind: 'next' },
  ],
  ['names an earlier position', 5, hash('e'), [], { kind: 'duplicate' }],
] as const)('a new epoch that %s', (_what, linkSeq, headHash, purged, verdict) => {
  const envelope = epochMessage(linkSeq + 1, {
    previousEpoch: 'one',
    previousHead: { linkSeq, hash: headHash },
    purged: purged.map(([from, through]) => ({ groupId: 'pinnedaaaaaaaaaa', from, through })),
  });
  expect(judgeBatch(at7, envelope)).toEqual(verdict);
});

test('a new epoch that follows another one, or a stream made anew, is a gap', () => {
  const unrelated = { previousEpoch: 'other', previousHead: { linkSeq: 7, hash: hash('a') }, purged: [] };
  const anew = { previousEpoch: null, previousHead: null, purged: [] };
  expect(judgeBatch(at7, epochMessage(8, unrelated))).toEqual({ kind: 'gap', reason: 'link-epoch' });
  expect(judgeBatch(at7, epochMessage(1, anew))).toEqual({ kind: 'gap', reason: 'link-epoch' });
});

test('without a position only the very first message of a stream begins the chain', () => {
  const anew = { previousEpoch: null, previousHead: null, purged: [] };
  expect(judgeBatch(undefined, epochMessage(1, anew))).toEqual({ kind: 'next' });
  expect(judgeBatch(undefined, epochMessage(40, anew))).toEqual({ kind: 'gap', reason: 'gap' });
  expect(judgeBatch(undefined, batch({ linkSeq: 1 }))).toEqual({ kind: 'gap', reason: 'gap' });
});

test('a position remembers a few former epochs, newest first', () => {
  let position: ChainPosition | undefined;
  for (let at = 0; at <= MAX_RETIRED_EPOCHS + 2; at++)
    position = positionAfter(position, { linkEpoch: `e${at}`, linkSeq: 1, hash: hash('a') });
  expect(position?.linkEpoch).toBe(`e${MAX_RETIRED_EPOCHS + 2}`);
  expect(position?.retired).toEqual(['e5', 'e4', 'e3', 'e2']);
  expect(positionAfter(at7, { linkEpoch: 'one', linkSeq: 8, hash: hash('b') })).toEqual({
    linkEpoch: 'one',
    linkSeq: 8,
    hash: hash('b'),
    retired: ['zero'],
  });
});
