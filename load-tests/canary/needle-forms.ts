import type { NeedleValue } from './needle.ts';
import type { Pattern } from './pattern-search.ts';

/** Shorter patterns would be met by chance: 48 bits are a match in a million GiB of random bytes. */
const MIN_PATTERN_BYTES = 8;

interface Form {
  readonly form: string;
  readonly bytes: Uint8Array;
}

/**
 * Every way in which a value may stand in bytes without being compressed: as formats of the mesh write it, as text and as JSON
 * escape it, and each of these in hexadecimal, base64 (at every alignment) and percent-encoding.
 */
export function needleForms(value: NeedleValue): readonly Pattern[] {
  const plain = plainForms(value);
  if ((plain[0]?.bytes.length ?? 0) < MIN_PATTERN_BYTES)
    throw new RangeError(`a needle of kind ${value.kind} is too short to be told from chance`);
  const seen = new Map<string, Pattern>();
  for (const pattern of [...plain, ...plain.flatMap(disguises)]) {
    const key = Buffer.from(pattern.bytes).toString('latin1');
    if (pattern.bytes.length >= MIN_PATTERN_BYTES && !seen.has(key)) seen.set(key, pattern);
  }
  return [...seen.values()];
}

function plainForms(value: NeedleValue): readonly Form[] {
  switch (value.kind) {
    case 'text':
      return textForms(value.text);
    case 'int64':
      return int64Forms(value.int64);
    case 'float64':
      return [
        ...bothEnds('float64', view => view.setFloat64(0, value.float64)),
        { form: 'float64 text', bytes: Buffer.from(String(value.float64)) },
      ];
    case 'bytes':
      return [{ form: 'bytes', bytes: value.bytes }];
    case 'vector':
      return vectorForms(value.float32);
  }
}

function textForms(text: string): readonly Form[] {
  const json = JSON.stringify(text).slice(1, -1);
  const ascii = json.replaceAll(/[^ -~]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [
    { form: 'utf-8', bytes: Buffer.from(text) },
    { form: 'utf-16', bytes: Buffer.from(text, 'utf16le') },
    { form: 'json', bytes: Buffer.from(json) },
    { form: 'json, ascii', bytes: Buffer.from(ascii) },
    { form: 'json in json', bytes: Buffer.from(JSON.stringify(json).slice(1, -1)) },
    { form: 'json in json, ascii', bytes: Buffer.from(JSON.stringify(ascii).slice(1, -1)) },
    { form: 'percent', bytes: Buffer.from(encodeURIComponent(text)) },
  ];
}

/** As features (little-endian), as entity keys (big-endian, sign flipped), as protobuf and as JSON have it. */
function int64Forms(int64: bigint): readonly Form[] {
  const varint: number[] = [];
  let rest = BigInt.asUintN(64, int64);
  for (; rest >= 0x80n; rest >>= 7n) varint.push(Number(rest & 0x7fn) | 0x80);
  varint.push(Number(rest));
  return [
    ...bothEnds('int64', view => view.setBigInt64(0, int64)),
    ...bothEnds('int64, sign flipped', view => view.setBigInt64(0, int64 ^ (1n << 63n))),
    { form: 'int64 varint', bytes: Uint8Array.from(varint) },
    { form: 'int64 text', bytes: Buffer.from(String(int64)) },
  ];
}

function bothEnds(name: string, write: (view: DataView) => void): readonly Form[] {
  const big = new Uint8Array(8);
  write(new DataView(big.buffer));
  return [
    { form: `${name} little-endian`, bytes: big.toReversed() },
    { form: `${name} big-endian`, bytes: big },
  ];
}

function vectorForms(float32: readonly number[]): readonly Form[] {
  const rounded = float32.map(Math.fround);
  const bytes = new Uint8Array(4 * rounded.length);
  const view = new DataView(bytes.buffer);
  rounded.forEach((element, at) => {
    view.setFloat32(4 * at, element, true);
  });
  return [
    { form: 'float32 little-endian', bytes },
    { form: 'vector text', bytes: Buffer.from(rounded.join(',')) },
    { form: 'vector text as given', bytes: Buffer.from(float32.join(',')) },
  ];
}

function disguises({ form, bytes }: Form): readonly Form[] {
  const hex = Buffer.from(bytes).toString('hex');
  const percent = hex.replaceAll(/../g, '%$&');
  const base64 = [0, 1, 2].flatMap(before => {
    const text = base64Inside(bytes, before);
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [
    { form: `${form} in hex`, bytes: Buffer.from(hex) },
    { form: `${form} in hex`, bytes: Buffer.from(hex.toUpperCase()) },
    { form: `${form} in percent`, bytes: Buffer.from(percent) },
    { form: `${form} in percent`, bytes: Buffer.from(percent.toUpperCase()) },
    ...base64.map(text => ({ form: `${form} in base64`, bytes: Buffer.from(text) })),
  ];
}

/** The characters of a base64 text that depend on `bytes` alone, where so many bytes stand before them in their group of three. */
function base64Inside(bytes: Uint8Array, before: number): string {
  const text = Buffer.concat([new Uint8Array(before), bytes]).toString('base64');
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
}
