import { MAX_NDJSON_LINE_BYTES } from '@featuremesh/domain/limits';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ndjsonLines } from './ndjson-lines.ts';
import type { StreamLine } from './write-command.ts';

async function linesOf(portions: readonly (Buffer | string)[]): Promise<readonly StreamLine[]> {
  const lines: StreamLine[] = [];
  const stream = (async function* () {
    for (const portion of portions) yield Buffer.from(portion as string);
  })();
  for await (const some of ndjsonLines(stream)) lines.push(...some);
  return lines;
}

test('lines are the same however the network cuts the bytes', async () => {
  const texts = fc.array(
    fc.string({ unit: 'grapheme' }).map(text => text.replaceAll('\n', '')),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(texts, fc.array(fc.nat(40), { maxLength: 12 }), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''));
      const portions: Buffer[] = [];
      let from = 0;
      for (const length of cuts) {
        portions.push(bytes.subarray(from, from + length));
        from += length;
      }
      portions.push(bytes.subarray(from));
      expect(await linesOf(portions)).toEqual(lines.map(line => (line.trim() === '' ? '' : line)));
    }),
  );
});

test('the last line needs no newline, and carriage returns do no harm', async () => {
  expect(await linesOf(['{"a":1}\r\n', '{"b":2}'])).toEqual(['{"a":1}\r', '{"b":2}']);
});

test('a line that is too long is a problem in its place, in bounded memory, and the next one is read', async () => {
  const long = 'x'.repeat(MAX_NDJSON_LINE_BYTES);
  const lines = await linesOf(['first\n', long, long, long, '\nnext\n', `${long}y\nlast`]);
  expect(lines.map(line => (typeof line === 'string' ? line : line.code))).toEqual([
    'first',
    'ROW_TOO_LARGE',
    'next',
    'ROW_TOO_LARGE',
    'last',
  ]);
  expect(await linesOf([long])).toEqual([long]);
});

test('a line that is no UTF-8 is a problem in its place', async () => {
  const lines = await linesOf([Buffer.from([0x61, 0xff, 0x0a]), 'b\n']);
  expect(lines.map(line => (typeof line === 'string' ? line : line.code))).toEqual(['MALFORMED_ROW', 'b']);
});
