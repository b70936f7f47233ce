import { fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { request } from 'undici';
import { z } from 'zod';
import type { BareGroup } from '../adapters/lmdb/bare-reader.ts';

const PROGRAM = fileURLToPath(new URL('echo-server.ts', import.meta.url));
const RELAY_PROGRAM = fileURLToPath(new URL('relay-server.ts', import.meta.url));
const WRITER_PROGRAM = fileURLToPath(new URL('bare-writer-server.ts', import.meta.url));
const READER_PROGRAM = fileURLToPath(new URL('bare-reader-server.ts', import.meta.url));

/** The bare server that every HTTP figure is measured beside. */
export interface Echo {
  readonly url: string;
  readonly pid: number;
  /** What it answers from now on; JSON text. */
  answerWith(json: string): Promise<void>;
  close(): Promise<void>;
}

/** A yardstick for one measurement of several, which does not end it. */
export function lent({ url }: Yardstick): () => Promise<Yardstick> {
  return async () => ({ url, close: async () => undefined });
}

/** Starts the bare server as a child process. */
export async function startEcho(): Promise<Echo> {
  const { url, pid, close } = await startServer(PROGRAM, {});
  return {
    url,
    pid,
    close,
    answerWith: async json => {
      const response = await request(`${url}/answer`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: json,
      });
      await response.body.dump();
    },
  };
}

/** A server that does one part of the product's work, so that the product is measured beside it too. */
export interface Yardstick {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a server that hands every request on to the bare one: what a gateway costs that does nothing. */
export function startRelay(echo: Pick<Echo, 'url'>): Promise<Yardstick> {
  return startServer(RELAY_PROGRAM, { BENCH_ECHO_URL: echo.url });
}

/** Starts a server that reads rows out of a region's own LMDB file and decodes them: what a region costs that decides nothing. */
export function startReader(dataDir: string, groups: readonly BareGroup[]): Promise<Yardstick> {
  return startServer(READER_PROGRAM, { BENCH_DATA_DIR: dataDir, BENCH_GROUPS: JSON.stringify(groups) });
}

/** A server that does one part of a region's writes, and its log alone. */
export interface BareWriter extends Yardstick {
  /** Messages of so many bytes that so many callers at once append in a second, each stored and synced. */
  appendsPerS(how: { callers: number; seconds: number; bytes: number }): Promise<number>;
}

/** What stands beside a region's writes, for notes. */
export const BARE_WRITER =
  'a server that appends to a synced log of its own, writes into LMDB and decides nothing';

/** Starts a server that appends rows to a log of its own in `folder`, writes them into LMDB, and decides nothing. */
export async function startWriter(folder: string): Promise<BareWriter> {
  const natsServer = await locateNatsServer(() => undefined);
  const server = await startServer(WRITER_PROGRAM, { BENCH_NATS_SERVER: natsServer, BENCH_FOLDER: folder });
  return {
    ...server,
    appendsPerS: async ({ callers, seconds, bytes }) => {
      const query = { callers, seconds, bytes };
      const { body } = await request(`${server.url}/appends`, { query });
      return z.object({ appendsPerS: z.number() }).parse(await body.json()).appendsPerS;
    },
  };
}

async function startServer(
  program: string,
  environment: Readonly<Record<string, string>>,
): Promise<Pick<Echo, 'url' | 'pid' | 'close'>> {
  const child = fork(program, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, ...environment },
  });
  const message = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (child.exitCode !== null) throw new Error(`${basename(program)} ended with status ${child.exitCode}`);
  const { url } = z.object({ url: z.url() }).parse(message[0]);
  return {
    url,
    pid: child.pid ?? 0,
    close: async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
