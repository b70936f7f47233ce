import { createConnection, type Socket } from 'node:net';

/** Where a broker answers, and as whom it is asked. */
export interface BrokerAddress {
  readonly port: number;
  readonly user?: string;
  readonly pass?: string;
}

/** One request in NATS' text protocol, so that the testkit needs no client; resolves with the text of the answer. */
export async function natsRequest(
  { port, ...who }: BrokerAddress,
  subject: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const socket = createConnection({ host: '127.0.0.1', port });
  try {
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const headBytes = Buffer.from(`NATS/1.0\r\n${head.join('')}\r\n`);
    const hello = JSON.stringify({ verbose: false, headers: true, no_responders: true, ...who });
    socket.write(`CONNECT ${hello}\r\nSUB _INBOX.t 1\r\n`);
    socket.write(`HPUB ${subject} _INBOX.t ${headBytes.length} ${headBytes.length + body.length}\r\n`);
    socket.write(Buffer.concat([headBytes, body, Buffer.from('\r\n')]));
    return await answerOf(socket);
  } finally {
    socket.destroy();
  }
}

async function answerOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const bytes of socket) {
    text += String(bytes);
    const message = /\r\nH?MSG [^\r]*\r\n([\s\S]*)\r\n$/.exec(`\r\n${text}`);
    if (message !== null) return message[1] ?? '';
  }
  throw new Error(`the broker closed the connection: ${text.slice(-200)}`);
}
