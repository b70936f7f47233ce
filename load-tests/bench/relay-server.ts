import { fastify } from 'fastify';
import { Pool } from 'undici';
import { z } from 'zod';

/** As the gateway takes it. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;
const CONNECTIONS = 32;

/*
 * The yardstick beside figures of a gateway: hands each request on to the bare server, parses its answer and writes it anew, and does
 * nothing else. Two hops on the same cores cost this much whatever the gateway does.
 */
const { BENCH_ECHO_URL: echoUrl } = z.object({ BENCH_ECHO_URL: z.url() }).parse(process.env);
const server = fastify({ bodyLimit: BODY_LIMIT_BYTES });
const pool = new Pool(echoUrl, { connections: CONNECTIONS, pipelining: 1 });
server.post('/*', (request, reply) => {
  const chunks: Buffer[] = [];
  pool.dispatch(
    {
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request.body),
    },
    {
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: (_, chunk) => {
        chunks.push(chunk);
      },
      onResponseEnd: () => void reply.send(JSON.parse(Buffer.concat(chunks).toString('utf8'))),
      onResponseError: (_, error) => void reply.send(error),
    },
  );
});
process.on('disconnect', () => void server.close().then(() => pool.close()));
process.send?.({ url: await server.listen({ host: '127.0.0.1', port: 0 }) });
