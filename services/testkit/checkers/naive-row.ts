/** A packed row taken apart field by field, as the format's description says and without the code that packs or compares it. */
export interface NaiveRow {
  readonly eventTimeUs: bigint;
  readonly createdTimeUs: bigint;
  readonly physicalUs: bigint;
  readonly counter: number;
  readonly slot: number;
  readonly origin: string;
  readonly deleted: boolean;
  readonly bytes: Uint8Array;
}

/** Parses the 56 bytes of header. */
export function naiveRow(bytes: Uint8Array): NaiveRow {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const signed = (at: number): bigint => BigInt.asIntN(64, view.getBigUint64(at) ^ (1n << 63n));
  let origin = '';
  for (let at = 28; at < 52 && bytes[at] !== 0; at++) origin += String.fromCharCode(bytes[at] ?? 0);
  return {
    eventTimeUs: signed(0),
    createdTimeUs: signed(8),
    physicalUs: signed(16),
    counter: view.getUint16(24),
    slot: view.getUint16(26),
    origin,
    deleted: ((bytes[53] ?? 0) & 1) === 1,
    bytes,
  };
}

/** Which of two rows wins by rule A3, field by field: event time, created time, stamp, origin, then the bytes. Above 0: `a`. */
export function naiveOrder(a: NaiveRow, b: NaiveRow): number {
  if (a.eventTimeUs !== b.eventTimeUs) return a.eventTimeUs > b.eventTimeUs ? 1 : -1;
  if (a.createdTimeUs !== b.createdTimeUs) return a.createdTimeUs > b.createdTimeUs ? 1 : -1;
  if (a.physicalUs !== b.physicalUs) return a.physicalUs > b.physicalUs ? 1 : -1;
  if (a.counter !== b.counter) return a.counter - b.counter;
  if (a.slot !== b.slot) return a.slot - b.slot;
  if (a.origin !== b.origin) return a.origin > b.origin ? 1 : -1;
  return Buffer.compare(a.bytes, b.bytes);
}

/** The id that the workload wrote into a row, or, of a deletion, which holds no values, its created time. */
export function rowIdentity(bytes: Uint8Array): string {
  const row = naiveRow(bytes);
  if (row.deleted) return `deleted@${row.createdTimeUs}`;
  return /#w\d+#/.exec(Buffer.from(bytes).toString('latin1'))?.[0] ?? 'without id';
}

/** Bytes as a map key. */
export const bytesText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
