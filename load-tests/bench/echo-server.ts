import { fastify } from 'fastify';

/** As the region service takes it. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

/*
 * The yardstick beside every HTTP figure, as a process of its own: parses a JSON body as the product must, and answers an object of the
 * size that the product answers, written as JSON anew each time. What the product takes beyond this is its own work.
 */
const server = fastify({ bodyLimit: BODY_LIMIT_BYTES });
let answer: unknown = {};
// One JSON document a line, as the rows API takes it.
server.addContentTypeParser('application/x-ndjson', { parseAs: 'string' }, (_, body, done) => {
  done(
    null,
    String(body)
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as unknown),
  );
});
server.put('/answer', async request => {
  answer = request.body;
  return {};
});
server.post('/*', async () => answer);
process.on('disconnect', () => void server.close());
process.send?.({ url: await server.listen({ host: '127.0.0.1', port: 0 }) });
