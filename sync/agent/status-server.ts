import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenAddress } from '@featuremesh/contracts/region-config';
import type { Health } from '@featuremesh/runtime/health';
import type { Metrics } from '@featuremesh/runtime/metrics';

/** What the agent shows of itself. */
export interface StatusServerParts {
  readonly health: Health;
  readonly metrics: Metrics;
  /** Sets what is known only when it is asked for, before metrics are written out. */
  readonly gauges: () => Promise<void>;
  /** Body of `/status`: policy in force and links. */
  readonly status: () => unknown;
}

/** `GET /health/live`, `/health/ready` (503 with the reasons while not), `/metrics`, `/status` of the sync agent. */
export class StatusServer {
  readonly #server: Server;

  constructor(parts: StatusServerParts) {
    this.#server = createServer((request, response) => void answer(parts, request, response));
  }

  /** Listens; rejects where the address is taken. */
  async listen(address: ListenAddress): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(address.port, address.host, () => resolve());
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
  }
}

async function answer(
  { health, metrics, gauges, status }: StatusServerParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const send = (code: number, body: unknown): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const path = request.url?.split('?')[0];
  if (request.method !== 'GET') return send(405, { code: 'INVALID_REQUEST' });
  switch (path) {
    case '/health/live':
      return send(200, { live: true });
    case '/health/ready': {
      const report = health.report();
      return send(report.ready ? 200 : 503, report);
    }
    case '/status':
      return send(200, status());
    case '/metrics':
      await gauges();
      response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text());
      return;
    default:
      return send(404, { code: 'NOT_FOUND' });
  }
}
