import { assert } from './assert.ts';
import type { AcceptedStamp } from './hybrid-clock.ts';
import { REGION_ID_BYTES, type RegionId } from './region-id.ts';
import type { TimestampFormatter } from './timestamp-formatter.ts';

/** Bytes of the fixed header that every packed row begins with (format version 1). */
export const ROW_HEADER_BYTES = 56;

/** The packed format written here. */
const ROW_FORMAT_VERSION = 1;

/** Offsets in the header; all integers are big-endian, times with the sign bit flipped, so that bytes compare as the rule says. */
export const ROW_OFFSETS = {
  eventTime: 0,
  createdTime: 8,
  stampPhysical: 16,
  stampCounter: 24,
  stampSlot: 26,
  origin: 28,
  format: 52,
  flags: 53,
  revision: 54,
} as const;

/** Bit of the flags byte that marks a logical deletion; such a row has no payload. */
export const ROW_FLAG_DELETED = 1;

/** The header of a packed row, taken apart. */
export interface RowHeader {
  readonly eventTimeUs: bigint;
  readonly createdTimeUs: bigint;
  readonly stamp: AcceptedStamp;
  readonly origin: RegionId;
  readonly deleted: boolean;
  /** Revision of the group version that the payload was packed with, from 1. */
  readonly revision: number;
}

/** Times and stamp of a row about to be packed. */
export type RowTimes = Pick<RowHeader, 'eventTimeUs' | 'createdTimeUs' | 'stamp'>;

/** Writes the times and the stamp of a header that begins at `at`; `view` must be over the same bytes. */
export function writeRowTimes(times: RowTimes, bytes: Uint8Array, view: DataView, at: number): void {
  const { eventTimeUs, createdTimeUs, stamp } = times;
  view.setBigInt64(at + ROW_OFFSETS.eventTime, eventTimeUs);
  view.setBigInt64(at + ROW_OFFSETS.createdTime, createdTimeUs);
  view.setBigInt64(at + ROW_OFFSETS.stampPhysical, stamp.physicalUs);
  flipSign(bytes, at + ROW_OFFSETS.eventTime);
  flipSign(bytes, at + ROW_OFFSETS.createdTime);
  flipSign(bytes, at + ROW_OFFSETS.stampPhysical);
  view.setUint16(at + ROW_OFFSETS.stampCounter, stamp.counter);
  view.setUint16(at + ROW_OFFSETS.stampSlot, stamp.slot);
}

/** Writes what all rows of one packer share: origin, format version, revision; clears the flags. */
export function writeRowConstants(bytes: Uint8Array, origin: RegionId, revision: number): void {
  assert(Number.isInteger(revision) && revision >= 1 && revision <= 0xffff, 'revision fits two bytes');
  bytes.fill(0, ROW_OFFSETS.origin, ROW_HEADER_BYTES);
  for (let i = 0; i < origin.length; i++) bytes[ROW_OFFSETS.origin + i] = origin.charCodeAt(i);
  bytes[ROW_OFFSETS.format] = ROW_FORMAT_VERSION;
  bytes[ROW_OFFSETS.revision] = revision >> 8;
  bytes[ROW_OFFSETS.revision + 1] = revision & 0xff;
}

/** The whole header; the row must be at least `ROW_HEADER_BYTES` long. */
export function readHeader(row: Uint8Array): RowHeader {
  return {
    eventTimeUs: rowEventTimeUs(row),
    createdTimeUs: readTime(row, ROW_OFFSETS.createdTime),
    stamp: {
      physicalUs: rowStampUs(row),
      counter: readUint16(row, ROW_OFFSETS.stampCounter),
      slot: readUint16(row, ROW_OFFSETS.stampSlot),
    },
    origin: rowOrigin(row),
    deleted: rowIsDeleted(row),
    revision: rowRevision(row),
  };
}

/** Event time in microseconds since the Unix epoch. */
export function rowEventTimeUs(row: Uint8Array): bigint {
  return readTime(row, ROW_OFFSETS.eventTime);
}

/** Physical part of the accepted stamp, in microseconds since the Unix epoch. */
export function rowStampUs(row: Uint8Array): bigint {
  return readTime(row, ROW_OFFSETS.stampPhysical);
}

/** Event time in milliseconds as a Number, with a fraction below one microsecond of error for years 1685 to 2255; makes no bigint. */
export function rowEventTimeMs(row: Uint8Array): number {
  const high = readUint32(row, ROW_OFFSETS.eventTime) - 0x8000_0000;
  return (high * 0x1_0000_0000 + readUint32(row, ROW_OFFSETS.eventTime + 4)) / 1000;
}

/** Event time as RFC 3339 in UTC; makes no bigint for years 1685 to 2255. */
export function rowEventTimeText(row: Uint8Array, formatter: TimestampFormatter): string {
  return formatter.format(
    readUint32(row, ROW_OFFSETS.eventTime) - 0x8000_0000,
    readUint32(row, ROW_OFFSETS.eventTime + 4),
  );
}

/** True for a logical deletion. */
export function rowIsDeleted(row: Uint8Array): boolean {
  return ((row[ROW_OFFSETS.flags] ?? 0) & ROW_FLAG_DELETED) !== 0;
}

/** Revision that the payload was packed with, from 1. */
export function rowRevision(row: Uint8Array): number {
  return readUint16(row, ROW_OFFSETS.revision);
}

/** The region that accepted the row. */
export function rowOrigin(row: Uint8Array): RegionId {
  let origin = '';
  for (let i = 0; i < REGION_ID_BYTES; i++) {
    const code = row[ROW_OFFSETS.origin + i] ?? 0;
    if (code === 0) break;
    origin += String.fromCharCode(code);
  }
  return origin as RegionId;
}

/** Why `row` cannot be a packed row of format version 1, or undefined where its header is well-formed. */
export function malformedRow(row: Uint8Array): string | undefined {
  if (row.length < ROW_HEADER_BYTES) return 'shorter than the header';
  if (row[ROW_OFFSETS.format] !== ROW_FORMAT_VERSION) return `format version ${row[ROW_OFFSETS.format]}`;
  if (rowRevision(row) === 0) return 'revision 0';
  if (((row[ROW_OFFSETS.flags] ?? 0) & ~ROW_FLAG_DELETED) !== 0) return 'unknown flags';
  if (rowIsDeleted(row) && row.length !== ROW_HEADER_BYTES) return 'a deletion with a payload';
  return undefined;
}

function flipSign(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 0x80;
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return readUint16(bytes, at) * 0x1_0000 + readUint16(bytes, at + 2);
}

function readTime(bytes: Uint8Array, at: number): bigint {
  const high = readUint32(bytes, at) - 0x8000_0000;
  const us = high * 0x1_0000_0000 + readUint32(bytes, at + 4);
  if (Number.isSafeInteger(us)) return BigInt(us);
  return (BigInt(high) << 32n) | BigInt(readUint32(bytes, at + 4));
}
