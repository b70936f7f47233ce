import { isUtf8 } from 'node:buffer';
import { MAX_NDJSON_LINE_BYTES } from '@featuremesh/domain/limits';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { StreamLine } from './write-command.ts';

const NEWLINE = 0x0a;
const TOO_LONG: Problem = problem('ROW_TOO_LARGE', `a line has more than ${MAX_NDJSON_LINE_BYTES} bytes`);
const NOT_UTF8: Problem = problem('MALFORMED_ROW', 'the line is not valid UTF-8');

/**
 * Splits a byte stream into lines, in portions as it arrives; holds at most one unfinished line of the permitted length.
 * A line that is too long or no UTF-8 becomes a problem in its place, and the next line is read as usual.
 */
export async function* ndjsonLines(stream: AsyncIterable<Buffer>): AsyncGenerator<readonly StreamLine[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let tooLong = false;
  const finish = (tail: Buffer): StreamLine => {
    const line = restBytes === 0 ? tail : Buffer.concat([...rest, tail]);
    const fault = tooLong || line.length > MAX_NDJSON_LINE_BYTES;
    rest = [];
    restBytes = 0;
    tooLong = false;
    return fault ? TOO_LONG : textOf(line);
  };
  for await (const bytes of stream) {
    const lines: StreamLine[] = [];
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      lines.push(finish(bytes.subarray(from, end)));
      from = end + 1;
    }
    const tail = bytes.subarray(from);
    if (tooLong || restBytes + tail.length > MAX_NDJSON_LINE_BYTES) {
      tooLong = true;
      rest = [];
      restBytes = 0;
    } else if (tail.length > 0) {
      // A copy, so that a short tail does not keep a whole network buffer.
      rest.push(Buffer.from(tail));
      restBytes += tail.length;
    }
    if (lines.length > 0) yield lines;
  }
  if (tooLong || restBytes > 0) yield [finish(Buffer.alloc(0))];
}

function textOf(line: Buffer): StreamLine {
  if (!isUtf8(line)) return NOT_UTF8;
  const text = line.toString('utf8');
  return text.trim() === '' ? '' : text;
}
