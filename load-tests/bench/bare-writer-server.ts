import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fastify } from 'fastify';
import { z } from 'zod';
import { BareLog } from '../adapters/jetstream/bare-log.ts';
import { BareTable } from '../adapters/lmdb/bare-table.ts';
import { BareWrites } from './bare-writes.ts';

/** As the region service takes it. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

interface WriteBody {
  readonly rows: readonly { readonly key: Readonly<Record<string, unknown>>; readonly features: unknown }[];
}

/*
 * The yardstick beside a region's writes: parses the same requests, appends the rows to a log that syncs every message, writes them into
 * LMDB, and answers when both are done. What the product takes beyond this is its schema, codec, stamps, order, leases and positions.
 */
const { BENCH_NATS_SERVER: binary, BENCH_FOLDER: parent } = z
  .object({ BENCH_NATS_SERVER: z.string(), BENCH_FOLDER: z.string() })
  .parse(process.env);
// On the disk of the region's own log, which is what is measured.
const folder = await mkdtemp(join(parent, 'bare-writer-'));
const [logFolder, tableFolder] = [join(folder, 'log'), join(folder, 'table')];
await mkdir(logFolder);
await mkdir(tableFolder);
const log = await BareLog.start(binary, logFolder);
const table = new BareTable(tableFolder);
const writes = new BareWrites({ append: body => log.append(body), put: rows => table.put(rows) });

const server = fastify({ bodyLimit: BODY_LIMIT_BYTES });
server.post<{ Body: WriteBody }>('/*', async ({ body }) => {
  const rows = body.rows.map(({ key, features }) => ({
    key: String(Object.values(key)[0]),
    bytes: Buffer.from(JSON.stringify(features)),
  }));
  await writes.write(rows);
  return { accepted: rows.length, online: 'APPLIED' };
});
/** Appends of one message each by so many callers at once, for so long: the log alone. */
server.get('/appends', async ({ query }) => {
  const { callers, seconds, bytes } = z
    .object({ callers: z.coerce.number(), seconds: z.coerce.number(), bytes: z.coerce.number() })
    .parse(query);
  const message = new Uint8Array(bytes).fill(1);
  const startedMs = performance.now();
  let appended = 0;
  const call = async (): Promise<void> => {
    while (performance.now() - startedMs < seconds * 1_000) {
      await log.append(message);
      appended += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return { appendsPerS: (appended * 1_000) / (performance.now() - startedMs) };
});
process.on('disconnect', async () => {
  await server.close();
  await Promise.all([log.close(), table.close()]);
  await rm(folder, { recursive: true, force: true });
});
process.send?.({ url: await server.listen({ host: '127.0.0.1', port: 0 }) });
