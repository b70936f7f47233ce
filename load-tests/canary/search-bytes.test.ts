import { gzipSync, zstdCompressSync } from 'node:zlib';
import { encodeLinkMessage, encodeLinkRows, rowHashSum } from '@featuremesh/contracts/link-batch-codec';
import { FIRST_PREVIOUS_HASH } from '@featuremesh/contracts/link-envelope';
import { regionId } from '@featuremesh/domain/region-id';
import { seededRandom } from '@featuremesh/runtime/random';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CanaryMedium } from './canary-medium.ts';
import type { Needle, NeedleValue } from './needle.ts';
import { needleForms } from './needle-forms.ts';
import { PatternSearch } from './pattern-search.ts';
import { itemsOf } from './said-media.ts';
import { ByteSearch } from './search-bytes.ts';
import { searchMedia } from './search-mesh.ts';
import { zstdFrameEnd } from './zstd-frame.ts';

const TEXT = 'quoth "ééé" \\ the raven 77';
const INT64 = 7_403_298_113_482_903_111n;
const FLOAT64 = 0.123456789012345e-77;
const BYTES = Uint8Array.from([0xfe, 1, 0x80, 3, 0x99, 5, 6, 7, 0xff, 9, 10, 11]);
const VECTOR = [0.125, -7.5, 1e-7, 3.3];

const needle = (name: string, value: NeedleValue): Needle => ({ name, value, placement: [], gateways: [] });
const needles = [
  needle('text', { kind: 'text', text: TEXT }),
  needle('int64', { kind: 'int64', int64: INT64 }),
  needle('float64', { kind: 'float64', float64: FLOAT64 }),
  needle('bytes', { kind: 'bytes', bytes: BYTES }),
  needle('vector', { kind: 'vector', float32: VECTOR }),
];
const search = new ByteSearch(needles);

function found(bytes: Uint8Array): readonly string[] {
  const names = [...search.sightings({ where: 'item', bytes }, () => undefined)].map(one => one.needle.name);
  return [...new Set(names)].toSorted();
}

const all = needles.map(one => one.name).toSorted();

/** A packed row whose payload is all values, as an exporter ships it. */
function packedRow(): Uint8Array {
  const header = new Uint8Array(56);
  header.set(Buffer.from('us-east-1'), 28);
  header[52] = 1;
  header[55] = 1;
  return Buffer.concat([header, everyValue()]);
}

function everyValue(): Uint8Array {
  const numbers = new DataView(new ArrayBuffer(16));
  numbers.setBigInt64(0, INT64, true);
  numbers.setFloat64(8, FLOAT64, true);
  const vector = Float32Array.from(VECTOR);
  return Buffer.concat([
    new Uint8Array(numbers.buffer),
    new Uint8Array(vector.buffer),
    Buffer.from(TEXT),
    BYTES,
  ]);
}

/** As an entity key has them: big-endian, the sign flipped. */
function entityKey(): Uint8Array {
  const key = new DataView(new ArrayBuffer(10));
  key.setUint16(0, 8);
  key.setBigUint64(2, BigInt.asUintN(64, INT64) ^ (1n << 63n));
  return new Uint8Array(key.buffer);
}

function linkMessage(): Uint8Array {
  const filler = { key: Buffer.from('other'), row: packedRow().subarray(0, 56) };
  const rows = [filler, { key: entityKey(), row: packedRow() }, filler];
  return encodeLinkMessage({
    envelope: {
      protocolVersion: 1,
      kind: 'live',
      linkEpoch: 'e1',
      linkSeq: 1,
      previousHash: FIRST_PREVIOUS_HASH,
      groupId: 'aaaaaaaaaaaaaaaa',
      version: 1,
      schemaHash: '0'.repeat(32),
      policyEpoch: '1',
      origin: regionId('us-east-1'),
      feedEpoch: 'f1',
      appenders: {},
      rows: rows.length,
      rowHashSum: rowHashSum(rows),
      clockMinUs: '0',
      clockMaxUs: '0',
      sentAtMs: 1,
    },
    body: encodeLinkRows(rows),
  });
}

const answer = JSON.stringify({
  columns: [
    [TEXT],
    [String(INT64)],
    [FLOAT64],
    [Buffer.from(BYTES).toString('base64')],
    [VECTOR.map(Math.fround)],
  ],
});

test.each<[string, Uint8Array]>([
  ['a packed row', packedRow()],
  ['a link message, by its columns', linkMessage()],
  ['a JSON answer', Buffer.from(answer)],
  ['a JSON answer inside JSON', Buffer.from(JSON.stringify({ log: answer }))],
  ['gzip', gzipSync(answer)],
  ['zstd', zstdCompressSync(answer)],
  ['zstd in gzip with other bytes around', Buffer.concat([BYTES, gzipSync(zstdCompressSync(answer)), BYTES])],
  ['base64', Buffer.from(Buffer.from(answer).toString('base64'))],
  [
    'base64 of a packed batch',
    Buffer.from(JSON.stringify({ data: Buffer.from(linkMessage()).toString('base64url') })),
  ],
  ['hexadecimal of a packed batch', Buffer.from(Buffer.from(linkMessage()).toString('hex').toUpperCase())],
  [
    'several batches on a wire',
    Buffer.concat([Buffer.from('LMSG a\r\n'), linkMessage(), Buffer.from('\r\nPING')]),
  ],
])('every value is found in %s', (_what, bytes) => {
  expect(found(bytes)).toEqual(all);
});

test('a short value is found in base64 and hexadecimal wherever it begins, and in an entity key', () => {
  for (let before = 0; before < 6; before++) {
    const bytes = Buffer.concat([Buffer.alloc(before, 7), everyValue()]);
    expect(found(Buffer.from(bytes.toString('base64')))).toEqual(all);
    expect(found(Buffer.from(bytes.toString('hex')))).toEqual(all);
  }
  expect(found(entityKey())).toEqual(['int64']);
  expect(found(Buffer.from(encodeURIComponent(TEXT)))).toEqual(['text']);
});

test('a packed batch in base64 or hexadecimal is found behind and between texts of any length', () => {
  const batch = Buffer.from(linkMessage());
  for (let before = 0; before < 220; before += 11) {
    const filler = 'ab cd '.repeat(before) + 'x'.repeat(before);
    for (const packed of [batch.toString('base64'), batch.toString('hex')])
      expect(found(Buffer.from(`${filler}"${packed}"${filler}"${packed}`))).toEqual(all);
  }
});

test('what unpacks to more than is searched is no clean result', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(65 * 1024 * 1024));
  const medium = { name: 'bombs', region: 'here', permits: () => true, control: undefined };
  const report = await searchMedia([{ ...medium, scan: () => itemsOf([bomb]) }], needles);
  expect(report.unreadable).toEqual([expect.stringMatching(/^bombs of here: /)]);
});

test('nothing is found where nothing is, a value that lacks one character included', () => {
  const random = seededRandom('nothing');
  const noise = Uint8Array.from({ length: 1 << 20 }, () => random.int(256));
  expect(found(noise)).toEqual([]);
  expect(found(Buffer.from(Buffer.from(noise).toString('base64')))).toEqual([]);
  expect(found(Buffer.from(answer.replace('raven', 'rav n').replace(String(INT64), '1')))).not.toContain(
    'text',
  );
});

test('patterns are found exactly where a naive search finds them', () => {
  const letters = fc.uint8Array({ minLength: 8, maxLength: 14, max: 2 });
  fc.assert(
    fc.property(
      fc.array(letters, { minLength: 1, maxLength: 6 }),
      fc.uint8Array({ maxLength: 300, max: 2 }),
      (patterns, bytes) => {
        const named = patterns.map((one, at) => ({ form: String(at), bytes: one }));
        const text = Buffer.from(bytes);
        const naive = named.flatMap(({ form, bytes: wanted }) => {
          const at: string[] = [];
          for (let i = text.indexOf(wanted); i >= 0; i = text.indexOf(wanted, i + 1)) at.push(`${form} ${i}`);
          return at;
        });
        const matches = [...new PatternSearch(named).matches(bytes)];
        expect(matches.map(({ pattern, at }) => `${pattern.form} ${at}`).toSorted()).toEqual(
          naive.toSorted(),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('the end of a zstd frame is told without unpacking it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300_000, size: 'max' }), fc.nat(9), (content, before) => {
      const frame = zstdCompressSync(content);
      const bytes = Buffer.concat([Buffer.alloc(before), frame, Buffer.from('behind it')]);
      expect(zstdFrameEnd(bytes, before)).toBe(before + frame.length);
      expect(zstdFrameEnd(bytes.subarray(0, before + frame.length - 1), before)).toBeUndefined();
    }),
    { numRuns: 20 },
  );
});

test('a value too short to be told from chance is refused', () => {
  expect(() => needleForms({ kind: 'text', text: 'seven c' })).toThrow(RangeError);
  expect(needleForms({ kind: 'text', text: 'eight ch' })[0]?.form).toBe('utf-8');
  expect(() => needleForms({ kind: 'bytes', bytes: Uint8Array.of(1) })).toThrow(RangeError);
});

test('a medium that is empty, unreadable, or lacks what every working one holds is reported, not taken as clean', async () => {
  const medium = (name: string, scan: CanaryMedium['scan'], control?: string): CanaryMedium => ({
    name,
    region: 'here',
    permits: one => one.name === 'int64',
    control,
    scan,
  });
  const report = await searchMedia(
    [
      medium('whole', () => itemsOf([`control ${answer}`]), 'control'),
      medium('empty', () => itemsOf([]), 'control'),
      medium('other', () => itemsOf(['something else']), 'control'),
      // biome-ignore lint/correctness/useYield: it fails before its first item
      medium('broken', async function* () {
        throw new Error('no such broker');
      }),
    ],
    needles,
  );
  expect(report.hollow).toEqual(['empty of here', 'other of here']);
  expect(report.unreadable).toEqual(['broken of here: no such broker']);
  expect(report.leaks.map(one => one.needle).toSorted()).toEqual(all.filter(name => name !== 'int64'));
  expect(report.findings.find(one => one.needle === 'int64')).toMatchObject({
    permitted: true,
    medium: 'whole',
    region: 'here',
    form: 'int64 text',
    where: expect.stringMatching(/^body 1 @ \d+$/),
  });
  expect(report.searched.map(({ items }) => items)).toEqual([1, 0, 1, 0]);
});
