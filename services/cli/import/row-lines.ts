import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type ColumnMapping, toRow } from './column-mapping.ts';

/** One line to send and how much of the source it took. */
export interface RowLine {
  readonly line: string;
  /** Where it stands in the source, from 1: the line of an NDJSON file, the row of a Parquet file. */
  readonly number: number;
  /** Bytes of the source for NDJSON, rows for Parquet: the unit of the progress bar. */
  readonly done: number;
}

/**
 * The lines of an NDJSON file, mapped where a mapping is given, passed on unread otherwise. A line that is no JSON object is passed on
 * as it is: the region names it, and no other line is lost because of it.
 */
export async function* ndjsonLines(
  source: string | Readable,
  mapping: ColumnMapping | undefined,
): AsyncGenerator<RowLine> {
  const input = typeof source === 'string' ? createReadStream(source) : source;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    const line = mapping === undefined ? text : mapped(text, mapping);
    yield { line, number, done: Buffer.byteLength(text) + 1 };
  }
}

function mapped(text: string, mapping: ColumnMapping): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
    return JSON.stringify(toRow(value as Record<string, unknown>, mapping));
  } catch {
    return text;
  }
}
