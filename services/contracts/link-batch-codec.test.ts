import { createHash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { ChunkRow } from '@featuremesh/domain/feed-chunk';
import { MAX_LINK_BATCH_ROWS } from '@featuremesh/domain/limits';
import { regionId } from '@featuremesh/domain/region-id';
import { RowPacker } from '@featuremesh/domain/row-packer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeLinkMessage,
  decodeLinkRows,
  encodeLinkMessage,
  encodeLinkRows,
  linkBatchHash,
  rowHashSum,
} from './link-batch-codec.ts';
import { FIRST_PREVIOUS_HASH, type LinkEnvelope } from './link-envelope.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

const packer = new RowPacker([], 1, regionId('us-east-1'));

function row(eventTimeUs: bigint, payload: Uint8Array): Uint8Array {
  const header = packer.packDeletion({
    eventTimeUs,
    createdTimeUs: 2n,
    stamp: { physicalUs: 3n, counter: 0, slot: 1 },
  });
  header[53] = payload.length === 0 ? 1 : 0;
  return Uint8Array.of(...header, ...payload);
}

const rowsOf = fc.array(
  fc
    .record({
      key: fc.uint8Array({ maxLength: 300 }),
      time: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      payload: fc.uint8Array({ maxLength: 700 }),
    })
    .map(({ key, time, payload }): ChunkRow => ({ key, row: row(time, payload) })),
  { maxLength: 40 },
);

const plain = (rows: readonly ChunkRow[]): string[] => rows.map(({ key, row }) => `${hex(key)} ${hex(row)}`);

const ENVELOPE: LinkEnvelope = {
  protocolVersion: 1,
  kind: 'live',
  linkEpoch: 'e1',
  linkSeq: 7,
  previousHash: FIRST_PREVIOUS_HASH,
  groupId: 'abcdefghijklmn27',
  version: 2,
  schemaHash: '00112233445566778899aabbccddeeff',
  policyEpoch: 'p1',
  origin: regionId('us-east-1'),
  feedEpoch: 'f1',
  appenders: { '0': [3, 9] },
  rows: 2,
  rowHashSum: '0000000000000000',
  clockMinUs: '3',
  clockMaxUs: '3',
  sentAtMs: 1_700_000_000_000,
};

describe('rows of a batch', () => {
  it('come back byte-identical and in order, wherever the bytes lie', () => {
    fc.assert(
      fc.property(rowsOf, fc.nat(5), (rows, offset) => {
        const body = encodeLinkRows(rows);
        const pool = new Uint8Array(body.length + offset);
        pool.set(body, offset);
        const decoded = decodeLinkRows(pool.subarray(offset));
        expect(decoded.ok && plain(decoded.value)).toEqual(plain(rows));
      }),
    );
  });

  it('a full batch is a small part of its rows, since their headers are nearly alike', () => {
    const rows = Array.from({ length: MAX_LINK_BATCH_ROWS }, (_, i) => ({
      key: Uint8Array.of(0, 2, i >> 8, i & 0xff),
      row: row(1_700_000_000_000_000n + BigInt(i), Uint8Array.of(0, i & 0xff, 0, 0)),
    }));
    expect(encodeLinkRows(rows).length).toBeLessThan((512 * 64) / 8);
    expect(() => encodeLinkRows([...rows, ...rows])).toThrow('assertion failed');
  });

  it('any damage gives CORRUPT_DATA or other rows that the row-hash sum tells apart, never an exception', () => {
    const rows = [1n, 2n, 3n].map(time => ({
      key: Uint8Array.of(1, 2),
      row: row(time, Uint8Array.of(5, 6)),
    }));
    const whole = zstdDecompressSync(encodeLinkRows(rows));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = decodeLinkRows(zstdCompressSync(whole.with(at, (whole[at] ?? 0) ^ change)));
        if (damaged.ok) expect(rowHashSum(damaged.value)).not.toBe(rowHashSum(rows));
        else expect(damaged.problem.code).toBe('CORRUPT_DATA');
      }),
      { numRuns: 300 },
    );
    for (let end = 0; end < whole.length; end++)
      expect(decodeLinkRows(zstdCompressSync(whole.subarray(0, end))).ok).toBe(false);
    expect(decodeLinkRows(zstdCompressSync(Uint8Array.of(...whole, 0))).ok).toBe(false);
    expect(decodeLinkRows(Uint8Array.of(1, 2, 3)).ok).toBe(false);
  });

  it('a body that would unpack to more than a payload is refused without unpacking it', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(10_000);
    expect(decodeLinkRows(bomb)).toMatchObject({ ok: false, problem: { code: 'CORRUPT_DATA' } });
  });
});

describe('messages', () => {
  it('come back with the parsed envelope and the body', () => {
    const body = encodeLinkRows([{ key: Uint8Array.of(1), row: row(5n, Uint8Array.of(1)) }]);
    const decoded = decodeLinkMessage(encodeLinkMessage({ envelope: ENVELOPE, body }));
    if (!decoded.ok) throw new Error(decoded.problem.detail);
    expect(decoded.value.envelope).toEqual(ENVELOPE);
    expect(hex(decoded.value.body)).toBe(hex(body));
  });

  it('the chain hash covers every member and every byte, and not the order of members', () => {
    const body = Uint8Array.of(1, 2, 3);
    const hash = linkBatchHash({ envelope: ENVELOPE, body });
    const reordered = Object.fromEntries(Object.entries(ENVELOPE).toReversed()) as typeof ENVELOPE;
    expect(linkBatchHash({ envelope: reordered, body })).toBe(hash);
    expect(linkBatchHash({ envelope: ENVELOPE, body: Uint8Array.of(1, 2, 4) })).not.toBe(hash);
    for (const name of Object.keys(ENVELOPE)) {
      expect(linkBatchHash({ envelope: { ...ENVELOPE, [name]: 'other' }, body }), name).not.toBe(hash);
    }
  });

  it.each<[string, object]>([
    ['another protocol version', { protocolVersion: 2 }],
    ['an unknown member', { extra: 1 }],
    ['an unknown kind', { kind: 'other' }],
    ['a sequence of 0', { linkSeq: 0 }],
    ['a live batch without a group', { groupId: '' }],
    ['a progress message with a group', { kind: 'progress' }],
    ['a snapshot without its request', { kind: 'snapshot' }],
    ['an epoch message without its epoch', { kind: 'epoch', groupId: '' }],
    ['a region id in upper case', { origin: 'US' }],
  ])('refuses %s', (_name, change) => {
    const bytes = encodeLinkMessage({
      envelope: { ...ENVELOPE, ...change } as LinkEnvelope,
      body: new Uint8Array(),
    });
    expect(decodeLinkMessage(bytes)).toMatchObject({ ok: false, problem: { code: 'CORRUPT_DATA' } });
  });

  it('refuses bytes that are no message', () => {
    for (const text of ['', '00', 'ffffffff', '04000000', '02000000 7b7d', '01000000 7b']) {
      expect(decodeLinkMessage(bytesOf(text)), text).toMatchObject({ ok: false });
    }
  });
});

// Version 1 as it stands on links and in HELD. A failure here needs a new version and a reader for the old one.
describe('bytes of version 1', () => {
  const ROWS = [
    { key: bytesOf('000141'), row: row(1n, bytesOf('0a0b')) },
    { key: bytesOf('00014243'), row: row(-1n, new Uint8Array()) },
  ];
  const COLUMNS = `
    01 02000000
    807f 00ff 00ff 00ff 00ff 00ff 00ff 01ff
    8080 0000 0000 0000 0000 0000 0000 0202
    8080 0000 0000 0000 0000 0000 0000 0303
    0000 0000 0000 0101
    7575 7373 2d2d 6565 6161 7373 7474 2d2d 3131 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000
    0101 0001 0000 0101
    0304 0000 0200 0000
    000141 00014243
    0a0b`;

  it('rows: columns before compression', () => {
    expect(hex(zstdDecompressSync(encodeLinkRows(ROWS)))).toBe(hex(bytesOf(COLUMNS)));
    const decoded = decodeLinkRows(zstdCompressSync(bytesOf(COLUMNS)));
    expect(decoded.ok && plain(decoded.value)).toEqual(plain(ROWS));
  });

  it('message: length of the envelope, envelope, body', () => {
    const json =
      '{"appenders":{"0":[3,9]},"clockMaxUs":"3","clockMinUs":"3","feedEpoch":"f1","groupId":"abcdefghijklmn27","kind":"live",' +
      `"linkEpoch":"e1","linkSeq":7,"origin":"us-east-1","policyEpoch":"p1","previousHash":"${'0'.repeat(64)}","protocolVersion":1,` +
      '"rowHashSum":"0000000000000000","rows":2,"schemaHash":"00112233445566778899aabbccddeeff","sentAtMs":1700000000000,"version":2}';
    const message = { envelope: ENVELOPE, body: Uint8Array.of(0xab, 0xcd) };
    const length = json.length.toString(16).padStart(4, '0');
    const expected = `${length.slice(2)}${length.slice(0, 2)}0000${Buffer.from(json).toString('hex')}abcd`;
    expect(hex(encodeLinkMessage(message))).toBe(expected);
    expect(linkBatchHash(message)).toBe(
      createHash('sha256').update(json).update(bytesOf('abcd')).digest('hex'),
    );
  });
});
