import { parseFeatureType } from '@featuremesh/domain/feature-type';
import { regionId } from '@featuremesh/domain/region-id';
import { RowPacker } from '@featuremesh/domain/row-packer';
import fc from 'fast-check';

/** What distinguishes a test row; everything has a default but its event time. */
export interface TestRowParts {
  readonly eventTimeUs: bigint;
  readonly createdTimeUs?: bigint;
  readonly physicalUs?: bigint;
  readonly counter?: number;
  readonly slot?: number;
  readonly origin?: string;
  readonly payload?: string;
  readonly deleted?: boolean;
  readonly revision?: number;
}

/** A really packed row of a group with one string feature, whose text is `payload`. */
export function testRow(parts: TestRowParts): Uint8Array {
  const type = parseFeatureType('string');
  if (type === undefined) throw new Error('no type');
  const packer = new RowPacker(
    [{ name: 'text', type, nullable: true }],
    parts.revision ?? 1,
    regionId(parts.origin ?? 'us-east-1'),
  );
  const stamp = { physicalUs: parts.physicalUs ?? 1n, counter: parts.counter ?? 0, slot: parts.slot ?? 0 };
  const times = {
    eventTimeUs: parts.eventTimeUs,
    createdTimeUs: parts.createdTimeUs ?? parts.eventTimeUs,
    stamp,
  };
  if (parts.deleted === true) return packer.packDeletion(times);
  // The text stands after the bitmap and one offset: the last 5 bytes of the limit are not the caller's.
  const packed = packer.pack(
    times,
    { text: parts.payload?.slice(0, 12 * 1024 - 61) ?? null },
    { nonFinite: 'refuse' },
  );
  if (!packed.ok) throw new Error(packed.problem.detail);
  return packed.value;
}

/** An encoded entity key of one string join key. */
export function testKey(id: string): Uint8Array {
  const text = new TextEncoder().encode(id);
  return new Uint8Array([text.length >> 8, text.length & 0xff, ...text]);
}

/** Rows that often tie in every part of the order. */
export function arbitraryRow(): fc.Arbitrary<Uint8Array> {
  const few = fc.bigInt({ min: -2n, max: 2n });
  return fc
    .record({
      eventTimeUs: few,
      createdTimeUs: few,
      physicalUs: fc.bigInt({ min: 1n, max: 3n }),
      counter: fc.nat(2),
      slot: fc.nat(1),
      origin: fc.constantFrom('us-east-1', 'eu-west-1'),
      payload: fc.constantFrom('', 'a', 'b', 'ab'),
      deleted: fc.boolean(),
    })
    .map(testRow);
}
