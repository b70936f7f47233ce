import { describe, expect, it } from 'vitest';
import { KeyEncoder } from './entity-key.ts';
import type { FeatureDefinition } from './feature-group.ts';
import { parseFeatureType } from './feature-type.ts';
import { decodeFeedChunk, encodeFeedChunk } from './feed-chunk.ts';
import { ROW_HEADER_BYTES, readHeader } from './packed-row.ts';
import { formatPosition, parsePosition } from './position.ts';
import { regionId } from './region-id.ts';
import { RowDecoder } from './row-decoder.ts';
import { RowHashSum } from './row-hash.ts';
import { RowPacker } from './row-packer.ts';
import {
  ctlSubject,
  feedCursorSubject,
  feedImportFilter,
  feedImportSubject,
  feedOwnSubject,
  outSubject,
  parseFeedSubject,
  tableName,
} from './subjects.ts';

// Bytes of format version 1 as they stand on disks and links. Where one of these fails, the change needs a new format version and
// a reader for the old one; never correct the expectation.

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

const SCHEMA = [
  ['a', 'bool'],
  ['b', 'int32'],
  ['c', 'int64'],
  ['d', 'float32'],
  ['e', 'float64'],
  ['f', 'timestamp'],
  ['g', 'float32[2]'],
  ['h', 'string'],
  ['i', 'bytes'],
  ['j', 'int32[]'],
  ['k', 'string[]'],
  ['l', 'string'],
].map(([name = '', written = '']): FeatureDefinition => {
  const type = parseFeatureType(written);
  if (type === undefined) throw new Error(written);
  return { name, type, nullable: true };
});

const VALUES = {
  a: true,
  b: -2,
  c: '-9007199254740993',
  d: 1.5,
  e: -0.1,
  f: '2024-05-06T07:08:09.123456Z',
  g: [1, -2],
  h: 'Zürich',
  i: 'AAEC',
  j: [1, -1],
  k: ['x', ''],
  l: null,
};

const TIMES = {
  eventTimeUs: 1_715_000_000_000_001n,
  createdTimeUs: -1n,
  stamp: { physicalUs: 1_715_000_000_123_456n, counter: 258, slot: 3 },
};

const HEADER = `
  800617c8 8dca3001
  7fffffff ffffffff
  800617c8 8dcc1240 0102 0003
  65752d776573742d31 000000000000000000000000000000
  01 00 0007`;

const PAYLOAD = `
  0008
  01 feffffff ffffffffffffdfff 0000c03f 9a9999999999b9bf 804a53bbc3170600 0000803f000000c0
  07000000 0a000000 16000000 23000000 23000000
  5ac3bc72696368 000102 02000000 01000000 ffffffff 02000000 01000000 78 00000000`;

function packer(): RowPacker {
  return new RowPacker(SCHEMA, 7, regionId('eu-west-1'));
}

describe('bytes of format version 1', () => {
  it('entity key: join keys by name, length (2, big-endian), bytes', () => {
    const keys = new KeyEncoder([
      { name: 'word', type: 'string' },
      { name: 'flag', type: 'bool' },
      { name: 'i32', type: 'int32' },
      { name: 'i64', type: 'int64' },
      { name: 'raw', type: 'bytes' },
      { name: 'at', type: 'timestamp' },
    ]);
    const values = { word: 'Zü', flag: true, i32: -1, i64: 1n, raw: Uint8Array.of(0, 255), at: 0n };
    const expected = bytesOf(
      '0008 8000000000000000  0001 01  0004 7fffffff  0008 8000000000000001  0002 00ff  0003 5ac3bc',
    );
    const key = keys.encode(values);
    expect(key.ok && hex(key.value)).toBe(hex(expected));
    expect(keys.decode(expected)).toEqual(values);
  });

  it('packed row: header of 56 bytes, then the payload', () => {
    const row = packer().pack(TIMES, VALUES, { nonFinite: 'refuse' });
    expect(row.ok && hex(row.value.subarray(0, ROW_HEADER_BYTES))).toBe(hex(bytesOf(HEADER)));
    expect(row.ok && hex(row.value.subarray(ROW_HEADER_BYTES))).toBe(hex(bytesOf(PAYLOAD)));
  });

  it('packed row: is read back from its bytes', () => {
    const row = bytesOf(HEADER + PAYLOAD);
    expect(readHeader(row)).toEqual({ ...TIMES, origin: 'eu-west-1', deleted: false, revision: 7 });
    const columns: unknown[][] = SCHEMA.map(() => []);
    new RowDecoder(
      new Array(7).fill(SCHEMA),
      SCHEMA.map(({ name }) => name),
    ).decodeInto(row, columns, 0);
    expect(columns.map(column => column[0])).toEqual(Object.values(VALUES));
  });

  it('deletion: the header alone, bit 0 of the flags set', () => {
    const header = bytesOf(HEADER);
    header[53] = 1;
    expect(hex(packer().packDeletion(TIMES))).toBe(hex(header));
  });

  it('feed chunk: version, count, then key and row with their lengths', () => {
    const row = packer().packDeletion(TIMES);
    const rows = [
      { key: Uint8Array.of(0, 1, 65), row },
      { key: Uint8Array.of(), row },
    ];
    const expected = `01 02000000 0300 000141 38000000 ${hex(row)} 0000 38000000 ${hex(row)}`;
    expect(hex(encodeFeedChunk(rows))).toBe(hex(bytesOf(expected)));
    expect(decodeFeedChunk(bytesOf(expected)).map(({ key }) => hex(key))).toEqual(['000141', '']);
  });

  it('row-hash sum', () => {
    const sum = new RowHashSum();
    sum.add(Uint8Array.of(0, 1, 65), bytesOf(HEADER + PAYLOAD));
    expect(sum.hex()).toBe('b971c59fb9bda526');
    sum.add(Uint8Array.of(0, 1, 66), bytesOf(HEADER));
    expect(sum.hex()).toBe('2525042ce81c9260');
  });
});

describe('names of version 1', () => {
  const GROUP = 'abcdefghijklmn27';

  it('position token', () => {
    const position = {
      origin: regionId('us-east-1'),
      feedEpoch: 'e7',
      groupId: GROUP,
      appender: 1,
      sequence: 42,
    };
    expect(formatPosition(position)).toBe('p1.us-east-1.e7.abcdefghijklmn27.1.42');
    expect(parsePosition('p1.us-east-1.e7.abcdefghijklmn27.1.42')).toEqual(position);
    for (const token of [
      '',
      'p2.us-east-1.e7.abcdefghijklmn27.1.42',
      'p1.US.e7.abcdefghijklmn27.1.42',
      'p1.a.e7.abcdefghijklmn27.1',
      'p1.a.e7.abcdefghijklmn21.1.42',
    ]) {
      expect(parsePosition(token), token).toBeUndefined();
    }
  });

  it('subjects', () => {
    expect([
      feedOwnSubject(GROUP, 2, 1),
      feedImportSubject(GROUP, 2, 'eu-west-1'),
      feedCursorSubject('eu-west-1'),
      feedImportFilter('eu-west-1'),
      outSubject(GROUP),
      ctlSubject('hello'),
    ]).toEqual([
      'FEED.abcdefghijklmn27.2.own.1',
      'FEED.abcdefghijklmn27.2.in.eu-west-1',
      'FEED._cursor.0.in.eu-west-1',
      'FEED.*.*.in.eu-west-1',
      'OUT.abcdefghijklmn27',
      'CTL.hello',
    ]);
    expect(parseFeedSubject('FEED.abcdefghijklmn27.2.own.1')).toEqual({
      groupId: GROUP,
      version: 2,
      kind: 'own',
      source: '1',
    });
    for (const other of ['FEED.a.1.own', 'FEED.a.1.out.b', 'OUT.a.1.in.b', 'FEED.a.1.in.b.c'])
      expect(parseFeedSubject(other)).toBeUndefined();
  });

  it('tables', () => {
    expect(tableName(GROUP, 3, 1)).toBe('g_abcdefghijklmn27_v3_p1');
  });
});
