import type { LinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import { regionId } from '@featuremesh/domain/region-id';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Received } from '../ports/link.ts';
import { MAX_AHEAD_BATCHES } from './limits.ts';
import type { ChainPosition } from './link-chain.ts';
import { ReorderBuffer } from './reorder-buffer.ts';

const ZEROS = '0'.repeat(64);

function received(seq: number, parts: Partial<LinkEnvelope> = {}): Received<LinkMessage> {
  const envelope: LinkEnvelope = {
    protocolVersion: 1,
    kind: 'live',
    linkEpoch: 'one',
    linkSeq: seq,
    previousHash: ZEROS,
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
  return {
    seq,
    message: { envelope, body: new Uint8Array() },
    bytes: new Uint8Array(),
    ack: () => undefined,
    retry: () => undefined,
  };
}

/** The first message of link epoch `two`, after batch `seq − 1` of epoch `one`. */
function epochAt(seq: number, purged: readonly (readonly [number, number])[]): Received<LinkMessage> {
  return received(seq, {
    kind: 'epoch',
    linkEpoch: 'two',
    groupId: '',
    version: 0,
    epoch: {
      previousEpoch: 'one',
      previousHead: { linkSeq: seq - 1, hash: ZEROS },
      purged: purged.map(([from, through]) => ({ groupId: 'goneaaaaaaaaaaaa', from, through })),
    },
  });
}

const at = (linkSeq: number): ChainPosition => ({ linkEpoch: 'one', linkSeq, hash: ZEROS, retired: [] });

function drain(buffer: ReorderBuffer): number[] {
  const order: number[] = [];
  for (let first = buffer.first(); first !== undefined; first = buffer.first()) {
    order.push(first.received.seq);
    buffer.take();
  }
  return order;
}

test('batches leave in the order of their sequence, whatever the order of arrival, each once', () => {
  const seqs = fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { maxLength: MAX_AHEAD_BATCHES });
  fc.assert(
    fc.property(seqs, fc.nat(3), (arrivals, repeats) => {
      const buffer = new ReorderBuffer();
      for (let turn = 0; turn <= repeats; turn++)
        for (const seq of arrivals) expect(buffer.add(received(seq), turn)).toBe(true);
      expect(buffer.size).toBe(arrivals.length);
      expect(drain(buffer)).toEqual(arrivals.toSorted((a, b) => a - b));
    }),
  );
});

test('a full buffer takes no further batch, but the re-delivery of one it has', () => {
  const buffer = new ReorderBuffer();
  for (let seq = 2; seq < MAX_AHEAD_BATCHES + 2; seq++) expect(buffer.add(received(seq), 0)).toBe(true);
  expect(buffer.add(received(1_000), 0)).toBe(false);
  expect(buffer.add(received(2), 0)).toBe(true);
  expect(buffer.size).toBe(MAX_AHEAD_BATCHES);
});

test('a re-delivered batch is acknowledged by its newest copy and keeps the time of its first', () => {
  const buffer = new ReorderBuffer();
  const again = received(5);
  buffer.add(received(5), 100);
  buffer.add(again, 900);
  expect(buffer.first()).toMatchObject({ sinceMs: 100 });
  expect(buffer.first()?.received).toBe(again);
});

test('bytes that are no batch are not kept, since they have no place in the chain', () => {
  const buffer = new ReorderBuffer();
  expect(buffer.add({ ...received(3), message: undefined }, 0)).toBe(false);
  expect(buffer.first()).toBeUndefined();
});

test('a hole that a waiting epoch names as purged is explained, one that it does not name is a gap', () => {
  const explains = (purged: readonly (readonly [number, number])[], seq: number): boolean => {
    const buffer = new ReorderBuffer();
    const behind = received(seq);
    buffer.add(behind, 0);
    buffer.add(epochAt(20, purged), 0);
    return behind.message !== undefined && buffer.purgeExplains(at(9), behind.message.envelope);
  };
  expect(explains([[10, 12]], 13)).toBe(true);
  expect(explains([[10, 11]], 13)).toBe(false);
  expect(
    explains(
      [
        [10, 10],
        [12, 12],
      ],
      13,
    ),
  ).toBe(false);
  expect(
    explains(
      [
        [10, 10],
        [11, 12],
      ],
      13,
    ),
  ).toBe(true);
});

test('an epoch that follows another one than ours explains nothing', () => {
  const buffer = new ReorderBuffer();
  const behind = received(13, { linkEpoch: 'zero' });
  buffer.add(behind, 0);
  buffer.add(epochAt(20, [[1, 19]]), 0);
  expect(behind.message === undefined || buffer.purgeExplains(at(9), behind.message.envelope)).toBe(false);
  expect(behind.message === undefined || buffer.purgeExplains(undefined, behind.message.envelope)).toBe(
    false,
  );
});
