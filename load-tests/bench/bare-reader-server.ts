import { fastify } from 'fastify';
import { z } from 'zod';
import { BareReader, bareGroupSchema } from '../adapters/lmdb/bare-reader.ts';

/** As the region service takes it. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

/*
 * The yardstick beside a region's reads: parses the same requests, reads the same rows out of the same file, decodes them with the same
 * decoder and answers them as JSON. What the product takes beyond this is its plan, policy, statuses and metrics.
 */
const { BENCH_DATA_DIR: dataDir, BENCH_GROUPS: groups } = z
  .object({
    BENCH_DATA_DIR: z.string(),
    BENCH_GROUPS: z.string().transform(text => z.array(bareGroupSchema).parse(JSON.parse(text))),
  })
  .parse(process.env);
const reader = new BareReader(dataDir, groups);
const server = fastify({ bodyLimit: BODY_LIMIT_BYTES });
server.post<{ Body: { keys: Record<string, unknown> } }>('/*', async ({ body }) => ({
  results: reader.read(body.keys),
}));
process.on('disconnect', () => void server.close());
process.send?.({ url: await server.listen({ host: '127.0.0.1', port: 0 }) });
