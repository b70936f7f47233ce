import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { z } from 'zod';

const PROGRAM = fileURLToPath(new URL('echo-server.ts', import.meta.url));

/** The bare server that every HTTP figure is measured beside. */
export interface Echo {
  readonly url: string;
  /** What it answers from now on; JSON text. */
  answerWith(json: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts the bare server as a child process. */
export async function startEcho(): Promise<Echo> {
  const child = fork(PROGRAM, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const [message] = await once(child, 'message');
  const { url } = z.object({ url: z.url() }).parse(message);
  return {
    url,
    answerWith: async json => {
      const response = await request(`${url}/answer`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: json,
      });
      await response.body.dump();
    },
    close: async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
