import { connect } from 'node:net';

/** An OPTIONS frame of protocol version 4: nine bytes, no body. */
const OPTIONS = Uint8Array.of(0x04, 0, 0, 0, 0x05, 0, 0, 0, 0);
const HEADER_BYTES = 9;
const OPCODE_AT = 4;
const SUPPORTED = 0x06;

/** True where a server answers CQL at the address within the time: it accepts connections before it can serve, so it is asked. */
export function answersCql(host: string, port: number, withinMs: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port });
    const end = (answer: boolean): void => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(answer);
    };
    const deadline = setTimeout(() => end(false), withinMs);
    let received = Buffer.alloc(0);
    socket.on('connect', () => socket.write(OPTIONS));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on('data', bytes => {
      received = Buffer.concat([received, bytes]);
      if (received.length >= HEADER_BYTES) end(received[OPCODE_AT] === SUPPORTED);
    });
  });
}
