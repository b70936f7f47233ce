import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { healthReason } from './region-parts.ts';

let server: Server | undefined;

afterEach(() => {
  server?.close();
});

async function answering(lacking: readonly string[]): Promise<string> {
  const components = Object.fromEntries(
    ['registry', 'tables', 'writes', 'store'].map(name => [
      name,
      lacking.includes(name) ? { ready: false, reason: 'away' } : { ready: true },
    ]),
  );
  const started = createServer((_, response) => {
    response.writeHead(lacking.length === 0 ? 200 : 503, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ready: lacking.length === 0, components }));
  });
  server = started;
  await new Promise<void>(resolve => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

test.each([
  [[], undefined],
  [['store', 'tables'], undefined],
  [['store', 'writes'], /writes/],
  [['registry'], /registry/],
])(
  'a service that lacks %j may begin where it may lack its store and tables: %s',
  async (lacking, reason) => {
    const url = await answering(lacking);
    const found = await healthReason(url, ['store', 'tables']);
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(reason);
    expect((await healthReason(url)) === undefined).toBe(lacking.length === 0);
  },
);
