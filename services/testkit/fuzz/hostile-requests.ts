import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { RawRequest } from './raw-http.ts';

/** A request that means something to the server: what mutations start from. */
export interface SeedRequest {
  readonly method: string;
  readonly path: string;
  readonly type?: string;
  readonly body?: unknown;
}

type Headers = readonly (readonly [string, string])[];

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'];
const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'application/x-ndjson',
  'application/graphql+json',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'application/json, text/plain',
  ';;;',
  '',
];
const HOSTILE_VALUES: readonly unknown[] = [
  null,
  '',
  ' ',
  '\u0000',
  '\ud800',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '{{7*7}}',
  "' OR 1=1 --",
  'a'.repeat(5_000),
  0,
  -0,
  -1,
  1e308,
  2 ** 53,
  0.1,
  true,
  [],
  {},
  [[[[]]]],
  { __typename: 'x' },
];
/** Without an unknown `expect`, which Node's server answers by itself with nothing but a status. */
const HOSTILE_HEADERS: Headers = [
  ['authorization', 'Bearer nonsense'],
  ['authorization', 'Basic YTpi'],
  ['authorization', ''],
  ['idempotency-key', ''],
  ['idempotency-key', 'x'.repeat(300)],
  ['idempotency-key', 'a\tb'],
  ['content-encoding', 'gzip'],
  ['content-encoding', 'nonsense'],
  ['transfer-encoding', 'chunked'],
  ['content-length', '5'],
  ['content-length', '-1'],
  ['expect', '100-continue'],
  ['accept', 'text/html'],
  ['accept', 'multipart/mixed'],
  ['accept-encoding', 'br'],
  ['x-http-method-override', 'DELETE'],
  ['apollo-require-preflight', 'true'],
  ['upgrade', 'websocket'],
  ['range', 'bytes=0-1'],
  ['if-none-match', '*'],
  ['cookie', 'a=b'],
  ['traceparent', '00-nonsense'],
  ['x', '\u00ff\u0001'],
];

/** Any JSON value, from small to strange: hostile members among usual ones. */
export const strangeValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...HOSTILE_VALUES),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

/** Requests that grow out of meaningful ones: a member replaced, removed, doubled or renamed, bytes flipped or cut, another method or type. */
export function hostileRequest(seeds: readonly SeedRequest[]): fc.Arbitrary<RawRequest> {
  return fc.constantFrom(...seeds).chain(seed =>
    fc
      .record({
        method: usually(seed.method, fc.constantFrom(...METHODS)),
        path: usually(seed.path, mutatedPath(seed.path)),
        type: usually(seed.type ?? 'application/json', fc.constantFrom(...TYPES)),
        body: bodyOf(seed),
        headers: fc.array(fc.constantFrom(...HOSTILE_HEADERS), { maxLength: 2 }),
        headerChance: fc.integer({ min: 0, max: 3 }),
      })
      .map(({ method, path, type, body, headers, headerChance }) => {
        const extra = headerChance === 0 ? headers : [];
        const own: Headers = type === '' ? [] : [['content-type', type]];
        const stated = extra.some(([name]) => name === 'content-length' || name === 'transfer-encoding');
        return {
          method,
          path,
          headers: [...own, ...extra],
          ...(body === undefined ? {} : { body }),
          unsized: stated,
        };
      }),
  );
}

/** Bytes that are hardly HTTP. A missing `host` is left out: Node's server answers it by itself with nothing but a status. */
export const brokenBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map(bytes => Buffer.concat([Buffer.from('X'), bytes, Buffer.from('\r\n\r\n')])),
  fc
    .constantFrom(
      'GET / HTTP/9.9\r\n\r\n',
      'GET /\r\n\r\n',

      'POST /v1/online/read HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n',
      'POST /v1/online/read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n',
      `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`,
      'GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n',
      'GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      'GET http://elsewhere.example/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    )
    .map(text => Buffer.from(text, 'latin1')),
);

function usually<T>(value: T, otherwise: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: fc.constant(value), weight: 4 }, { arbitrary: otherwise, weight: 1 });
}

function mutatedPath(path: string): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    '%00',
    '%2e%2e',
    '%2F',
    '//',
    '%',
    '%ff',
    '?',
    '?a[]=1',
    '&x=',
    ';',
    '@v9',
    '@v0',
    '*',
    '~',
  );
  return fc.oneof(
    fc.tuple(fc.nat(path.length), piece).map(([at, text]) => path.slice(0, at) + text + path.slice(at)),
    fc.webPath().map(tail => `${path}${tail}`),
    fc.string({ maxLength: 40 }).map(text => `/${encodeURIComponent(text)}`),
    fc.constant(`${path}/${'x'.repeat(3_000)}`),
    fc.constant(`${path}?${'x=1&'.repeat(500)}`),
  );
}

function bodyOf({ body }: SeedRequest): fc.Arbitrary<Uint8Array | undefined> {
  if (body === undefined) return usually<Uint8Array | undefined>(undefined, fc.uint8Array({ maxLength: 20 }));
  const text = typeof body === 'string' ? fc.constant(body) : mutatedJson(body).map(textOf);
  return text.chain(given => {
    const bytes = Buffer.from(given);
    return usually<Uint8Array | undefined>(bytes, mutatedBytes(bytes));
  });
}

/** Numbers that JSON has no word for and lone surrogates pass through as they are written here. */
function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

function mutatedBytes(bytes: Buffer): fc.Arbitrary<Uint8Array | undefined> {
  return fc.oneof(
    fc.nat(bytes.length).map(at => bytes.subarray(0, at)),
    fc.tuple(fc.nat(Math.max(0, bytes.length - 1)), fc.nat(255)).map(([at, byte]) => {
      const copy = Buffer.from(bytes);
      copy[at] = byte;
      return copy;
    }),
    fc.constant(gzipSync(bytes)),
    fc.constant(Buffer.from(bytes.toString('utf8'), 'utf16le')),
    fc.constant(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes])),
    fc.constant(Buffer.from(bytes.toString('utf8').replace(/\d+/, 'NaN'))),
    fc.constant(Buffer.from(bytes.toString('utf8').replace(/\d+/, '9'.repeat(400)))),
    fc.constant(Buffer.concat([bytes, bytes])),
    fc.constant(Buffer.from(`${'['.repeat(20_000)}${']'.repeat(20_000)}`)),
    fc.constant(undefined),
  );
}

function mutatedJson(value: unknown): fc.Arbitrary<unknown> {
  return fc
    .record({
      steps: fc.array(fc.nat(20), { maxLength: 6 }),
      how: fc.nat(6),
      strange: strangeValue,
      name: fc.string(),
    })
    .map(({ steps, how, strange, name }) =>
      how === 6 ? value : changed(value, steps, { how, strange, name }),
    );
}

interface Change {
  readonly how: number;
  readonly strange: unknown;
  readonly name: string;
}

/** The value with one place inside it changed; `steps` choose members downwards, as far as there are any. */
function changed(value: unknown, steps: readonly number[], change: Change): unknown {
  const [step, ...rest] = steps;
  if (typeof value !== 'object' || value === null || step === undefined) return change.strange;
  const entries: [string, unknown][] = Object.entries(value);
  const at = entries.length === 0 ? 0 : step % entries.length;
  const entry = entries[at];
  if (entry === undefined) return change.strange;
  const [key, member] = entry;
  const leaf = rest.length === 0 || typeof member !== 'object' || member === null;
  if (!leaf) entries[at] = [key, changed(member, rest, change)];
  else if (change.how === 0) entries.splice(at, 1);
  else if (change.how === 1) entries[at] = [change.name, member];
  else if (change.how === 2) entries.push([change.name, change.strange]);
  else if (change.how === 3) entries.push([`${key}2`, member]);
  else entries[at] = [key, change.strange];
  return Array.isArray(value) ? entries.map(([, one]) => one) : Object.fromEntries(entries);
}
