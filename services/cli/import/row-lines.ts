import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type ColumnMapping, toRow } from './column-mapping.ts';

/** One line to send and how much of the source it took. */
export interface RowLine {
  readonly line: string;
  /** Bytes of the source for NDJSON, rows for Parquet: the unit of the progress bar. */
  readonly done: number;
}

/**
 * The lines of an NDJSON file, mapped where a mapping is given, passed on unread otherwise. A line that is no JSON object raises
 * MALFORMED_ROW with its number where it must be mapped; the region names it otherwise.
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
    const line = mapping === undefined ? text : JSON.stringify(toRow(parseLine(text, number), mapping));
    yield { line, done: Buffer.byteLength(text) + 1 };
  }
}

function parseLine(text: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (error) {
    throw malformed(number, error);
  }
  throw malformed(number);
}

function malformed(number: number, cause?: unknown): ProblemError {
  return new ProblemError(
    problem('MALFORMED_ROW', `line ${number} is not a JSON object; rows before it were sent`),
    { cause },
  );
}
