import type { SeededRandom } from '@featuremesh/runtime/random';
import type { Needle, NeedleValue } from '../needle.ts';

/** Where the values of a row may be. */
export type Whereabouts = Pick<Needle, 'placement' | 'gateways'>;

/** A row of canaries, ready to be written as JSON, and the needles that its values are. */
export interface SecretRow {
  readonly key: Readonly<Record<string, unknown>>;
  readonly features: Readonly<Record<string, unknown>>;
  readonly needles: readonly Needle[];
}

const VECTOR_DIMENSIONS = 8;
/** Escaped by JSON, longer than a byte in UTF-8, outside the basic plane. */
const AWKWARD = ['"', '\\', '\t', 'é', '☃', '🜚', '/', '%'];

/** Features of every kind that can be told from chance. */
export const SECRET_FEATURES = {
  note: 'string?',
  count: 'int64?',
  ratio: 'float64?',
  blob: 'bytes?',
  vector: `float32[${VECTOR_DIMENSIONS}]?`,
  labels: 'string[]?',
} as const;

/** Makes values that stand nowhere by chance, and rows of them; the same seed makes the same ones. */
export class SecretSource {
  readonly #random: SeededRandom;
  #rows = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** A row whose key has the parts named, each a secret too; `fixed` parts are no secrets. */
  row(
    group: string,
    where: Whereabouts,
    parts: {
      readonly secret: Readonly<Record<string, 'string' | 'int64' | 'bytes'>>;
      readonly fixed?: object;
    },
  ): SecretRow {
    this.#rows += 1;
    const needles: Needle[] = [];
    const take = (name: string, value: NeedleValue): unknown => {
      needles.push({ name: `${group} ${this.#rows} ${name}`, value, ...where });
      return jsonOf(value);
    };
    const key = Object.entries(parts.secret).map(([name, type]) => [
      name,
      take(`key ${name}`, type === 'string' ? this.text() : type === 'int64' ? this.int64() : this.bytes()),
    ]);
    const features = {
      note: take('note', this.text()),
      count: take('count', this.int64()),
      ratio: take('ratio', this.float64()),
      blob: take('blob', this.bytes()),
      vector: take('vector', this.vector()),
      labels: [take('label', this.text()), 'plain'],
    };
    return { key: { ...Object.fromEntries(key), ...parts.fixed }, features, needles };
  }

  text(): NeedleValue {
    const awkward = Array.from({ length: 3 }, () => AWKWARD[this.#random.int(AWKWARD.length)] ?? '');
    return { kind: 'text', text: `${this.#random.base32(14)}${awkward.join('')}${this.#random.base32(10)}` };
  }

  int64(): NeedleValue {
    // 19 digits, either sign.
    const [word = 0n] = new BigInt64Array(Uint8Array.from(this.#random.bytes(8)).buffer);
    const magnitude = 1_000_000_000_000_000_000n + (BigInt.asUintN(62, word) % 8_000_000_000_000_000_000n);
    return { kind: 'int64', int64: this.#random.int(2) === 0 ? magnitude : -magnitude };
  }

  float64(): NeedleValue {
    const bytes = Uint8Array.from(this.#random.bytes(8));
    // Exponents that are neither infinite nor tiny.
    bytes[7] = 0x3f;
    return { kind: 'float64', float64: new DataView(bytes.buffer).getFloat64(0, true) };
  }

  bytes(): NeedleValue {
    return { kind: 'bytes', bytes: this.#random.bytes(18) };
  }

  vector(): NeedleValue {
    const float32 = Array.from({ length: VECTOR_DIMENSIONS }, () => Math.fround(this.#random.float() - 0.5));
    return { kind: 'vector', float32 };
  }
}

/** A value as the rows API takes it. */
export function jsonOf(value: NeedleValue): unknown {
  switch (value.kind) {
    case 'text':
      return value.text;
    case 'int64':
      return String(value.int64);
    case 'float64':
      return value.float64;
    case 'bytes':
      return Buffer.from(value.bytes).toString('base64');
    case 'vector':
      return value.float32;
  }
}
