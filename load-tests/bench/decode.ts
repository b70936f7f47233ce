import type { FeatureDefinition } from '@featuremesh/domain/feature-group';
import { ROW_HEADER_BYTES } from '@featuremesh/domain/packed-row';
import { regionId } from '@featuremesh/domain/region-id';
import { RowDecoder } from '@featuremesh/domain/row-decoder';
import { RowPacker } from '@featuremesh/domain/row-packer';
import { seededRandom } from '@featuremesh/runtime/random';
import type { Figure } from './figure.ts';
import { rounded } from './http-load.ts';

/** Rows decoded into one set of columns: a slate. */
const SLATE_ROWS = 50;
/** Different rows: more than a processor's cache of addresses remembers, fewer than its memory cache holds. */
const ROWS = 2_000;
/** Rounds of which the best counts: others use the machine too. */
const ROUNDS = 5;
/** Share of a measurement's length that one round takes. */
const ROUND_SHARE = 1 / (2 * ROUNDS);
const FEATURES = 10;
const NULL_BITMAP_BYTES = 2;

const SCHEMAS: Readonly<Record<string, readonly FeatureDefinition[]>> = {
  'floats-10': Array.from({ length: FEATURES }, (_, i) => feature(`f${i}`, 'float64')),
  'mixed-10': (
    [
      ...['float64', 'float64', 'float64', 'float64'],
      ...['float32', 'int32', 'int64', 'bool', 'timestamp', 'string'],
    ] as const
  ).map((scalar, i) => feature(`f${i}`, scalar as 'float64')),
};

/** Stored rows into columns on one core, beside the least that decoding could cost: reading ten doubles a row into the same columns. */
export const decode: Figure = {
  name: 'decode',
  about: 'rows of 10 features packed, and stored ones into columns, rows/s on one core',
  needsMesh: false,
  maxMeasurements: 6,
  async *run({ seconds, say }) {
    for (const [variant, features] of Object.entries(SCHEMAS)) {
      say(`  encode ${variant}`);
      yield {
        variant: `encode/${variant}`,
        values: { rowsPerS: rounded(encodeRate(features, 1_000 * seconds * ROUND_SHARE)) },
        note: `best of ${ROUNDS} rounds`,
      };
      const rows = packedRows(features);
      const decoder = new RowDecoder(
        [features],
        features.map(({ name }) => name),
      );
      const roundMs = 1_000 * seconds * ROUND_SHARE;
      say(`  ${variant}: ${ROUNDS} rounds`);
      let [decoded, plain] = [0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        decoded = Math.max(
          decoded,
          rate(rows, roundMs, (row, columns, at) => decoder.decodeInto(row, columns, at)),
        );
        plain = Math.max(plain, rate(rows, roundMs, readDoubles));
      }
      yield {
        variant,
        values: { rowsPerS: rounded(decoded), ofLimit: rounded(decoded / plain) },
        limit: { rowsPerS: rounded(plain) },
        note: `best of ${ROUNDS} rounds of ${Math.round(roundMs)} ms of processor time; limit: ten doubles by DataView`,
      };
    }
  },
};

/** Rows packed a second of processor time, from values as JSON gives them; the best of the rounds. */
function encodeRate(features: readonly FeatureDefinition[], roundMs: number): number {
  const rows = plainRows(features);
  const packer = new RowPacker(features, 1, regionId('us-east-1'));
  let [best, bytes, packed] = [0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    let [done, tookMs] = [0, 0];
    while (tookMs < roundMs) {
      for (const { times, values } of rows) {
        const row = packer.pack(times, values, { nonFinite: 'refuse' });
        if (row.ok) bytes += row.value.length;
      }
      done += rows.length;
      const { user, system } = process.cpuUsage(before);
      tookMs = (user + system) / 1_000;
    }
    best = Math.max(best, (done / tookMs) * 1_000);
    packed += done;
  }
  if (bytes < packed) throw new Error('rows were not packed');
  return best;
}

type Decode = (row: Uint8Array, columns: unknown[][], at: number) => void;

/** Rows a second of processor time, all threads of the process together: what other processes take does not count. */
function rate(rows: readonly Uint8Array[], roundMs: number, work: Decode): number {
  const before = process.cpuUsage();
  let done = 0;
  let tookMs = 0;
  while (tookMs < roundMs) {
    for (let first = 0; first < rows.length; first += SLATE_ROWS) {
      const columns = Array.from({ length: FEATURES }, () => new Array<unknown>(SLATE_ROWS).fill(null));
      for (let at = 0; at < SLATE_ROWS; at++) {
        const row = rows[first + at];
        if (row !== undefined) work(row, columns, at);
      }
    }
    done += rows.length;
    const { user, system } = process.cpuUsage(before);
    tookMs = (user + system) / 1_000;
  }
  return (done / tookMs) * 1_000;
}

function readDoubles(row: Uint8Array, columns: unknown[][], at: number): void {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  for (let i = 0; i < FEATURES; i++) {
    const column = columns[i];
    const offset = Math.min(ROW_HEADER_BYTES + NULL_BITMAP_BYTES + 8 * i, row.byteLength - 8);
    if (column !== undefined) column[at] = view.getFloat64(offset, true);
  }
}

function packedRows(features: readonly FeatureDefinition[]): Uint8Array[] {
  const packer = new RowPacker(features, 1, regionId('us-east-1'));
  return plainRows(features).map(({ times, values }) => {
    const row = packer.pack(times, values, { nonFinite: 'refuse' });
    if (!row.ok) throw new Error(row.problem.detail);
    return row.value.slice();
  });
}

/** Rows before they are packed. */
function plainRows(features: readonly FeatureDefinition[]) {
  const random = seededRandom('decode');
  return Array.from({ length: ROWS }, (_, i) => {
    const values = {
      float64: random.float() * 100,
      float32: random.float(),
      int32: random.int(1_000_000),
      int64: random.int(1_000_000_000),
      bool: random.int(2) === 1,
      timestamp: new Date(1_700_000_000_000 + 1_000 * i).toISOString(),
      string: `category-${random.int(100)}`,
      bytes: '',
    };
    const stamp = { physicalUs: 1_700_000_000_000_000n + BigInt(i), counter: 0, slot: 0 };
    const times = { eventTimeUs: stamp.physicalUs, createdTimeUs: stamp.physicalUs, stamp };
    const named = features.map(({ name, type }) => [
      name,
      type.kind === 'scalar' ? values[type.scalar] : null,
    ]);
    return { times, values: Object.fromEntries(named) as Record<string, unknown> };
  });
}

function feature(name: string, scalar: 'float64'): FeatureDefinition {
  return { name, type: { kind: 'scalar', scalar }, nullable: false };
}
