import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { z } from 'zod';

const PROGRAM = fileURLToPath(new URL('echo-server.ts', import.meta.url));
const RELAY_PROGRAM = fileURLToPath(new URL('relay-server.ts', import.meta.url));

/** The bare server that every HTTP figure is measured beside. */
export interface Echo {
  readonly url: string;
  readonly pid: number;
  /** What it answers from now on; JSON text. */
  answerWith(json: string): Promise<void>;
  close(): Promise<void>;
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

/** Starts a server that hands every request on to the bare one: what a gateway costs that does nothing. */
export function startRelay(echo: Pick<Echo, 'url'>): Promise<Pick<Echo, 'url' | 'close'>> {
  return startServer(RELAY_PROGRAM, { BENCH_ECHO_URL: echo.url });
}

async function startServer(
  program: string,
  environment: Readonly<Record<string, string>>,
): Promise<Pick<Echo, 'url' | 'pid' | 'close'>> {
  const child = fork(program, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, ...environment },
  });
  const [message] = await once(child, 'message');
  const { url } = z.object({ url: z.url() }).parse(message);
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
