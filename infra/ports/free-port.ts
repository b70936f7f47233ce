import { createServer } from 'node:net';
import { systemRandom } from '@featuremesh/runtime/random';

/** Below what systems give to outgoing connections (Linux from 32768, others from 49152), and below what local meshes take. */
const [FIRST, LAST] = [11_000, 19_999];
const TRIES = 100;
const given = new Set<number>();

/**
 * A TCP port of the loopback that nobody listens on at the time of the call, never the same twice. Not of the system's choice: that would be one
 * that the next outgoing connection may take before whoever asked listens on it, also one that dials that very port and so meets itself.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = FIRST + systemRandom.int(LAST - FIRST);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`of ${TRIES} ports between ${FIRST} and ${LAST} none is free`);
}

/** True where nobody listens on the port of the loopback now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
