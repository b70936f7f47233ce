import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A request as it goes over the wire, so that tests may send what no client would. Header lines are written as they are. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
  /** True leaves `content-length` out: the headers say, perhaps wrongly, where the body ends. */
  readonly unsized?: boolean;
}

/** What came back; `head` is all before the body, as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** After this pause a sender whose length is not to be trusted says that nothing more comes. */
const UNSIZED_END_MS = 200;

/** Bytes of one answer that are read; more is a fault of the server. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Sends a request on a connection of its own and reads the answer to its end. Throws where none comes within the deadline. */
export function sendRaw(origin: string, request: RawRequest, deadlineMs: number): Promise<RawAnswer> {
  const { method, path, headers = [], body, unsized = false } = request;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `host: ${new URL(origin).host}`,
    'connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined || unsized ? [] : [`content-length: ${body.length}`]),
  ];
  const bytes = Buffer.concat([
    Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    body ?? new Uint8Array(),
  ]);
  return sendBytes(origin, bytes, deadlineMs, unsized);
}

/** Sends bytes that need not be a request at all. Throws where no whole answer comes within the deadline. */
export async function sendBytes(
  origin: string,
  bytes: Uint8Array,
  deadlineMs: number,
  ends = true,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(origin);
  const socket = connect({ host: hostname, port: Number(port) });
  // A server that has answered may close before it has read everything; what it said counts.
  socket.on('error', () => undefined);
  const timer = setTimeout(() => socket.destroy(), deadlineMs);
  let endTimer: NodeJS.Timeout | undefined;
  try {
    await once(socket, 'connect');
    socket.write(bytes);
    // Not at once: a server takes the end of what a client sends for the client's departure.
    if (ends) endTimer = setTimeout(() => socket.end(), UNSIZED_END_MS);
    return parseAnswer(await allOf(socket));
  } finally {
    clearTimeout(timer);
    clearTimeout(endTimer);
    socket.destroy();
  }
}

async function allOf(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  let held = 0;
  socket.on('data', part => {
    parts.push(part);
    held += part.length;
    if (held > MAX_ANSWER_BYTES) socket.destroy();
  });
  await once(socket, 'close');
  return Buffer.concat(parts);
}

function parseAnswer(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) throw new Error(`no answer within the deadline; ${bytes.length} bytes came`);
  const head = bytes.subarray(0, end).toString('latin1');
  // "Go on" is no answer yet.
  if (head.startsWith('HTTP/1.1 100')) return parseAnswer(bytes.subarray(end + 4));
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Map(
    lines.map(line => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const rest = bytes.subarray(end + 4);
  // What follows on the same connection is the answer to what else was in the bytes.
  const stated = Number(headers.get('content-length') ?? rest.length);
  const body = headers.get('transfer-encoding') === 'chunked' ? joinChunks(rest) : rest.subarray(0, stated);
  return { status: Number(first.split(' ')[1]), head, headers, body: body.toString('utf8') };
}

function joinChunks(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    if (!(size > 0)) break;
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
  return Buffer.concat(parts);
}
