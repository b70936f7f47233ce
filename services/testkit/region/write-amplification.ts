import { parsePrometheus } from '../telemetry/prometheus-text.ts';
import type { ServiceProcess, ServiceProcesses } from './service-processes.ts';

/** Rows of one request, and requests under way at a time of each service. */
const REQUEST_ROWS = 100;
const REQUESTS = 20;
const APPLIED_WITHIN_MS = 30_000;
const POLL_MS = 100;

/** What became of rows that were written into the group `delays` of every service at once. */
export interface WriteAmplification {
  readonly acceptedRows: number;
  /** Rows that the store was given for them, by any process. */
  readonly appliedRows: number;
}

/** Writes some thousand rows of `mean` and counts, by the services' own metrics, how many rows the store was given for them. */
export async function measureWriteAmplification(
  region: ServiceProcesses,
  services: readonly ServiceProcess[],
): Promise<WriteAmplification> {
  const count = async (metric: string): Promise<number> => {
    const scrapes = await Promise.all(services.map(service => region.call(service, 'GET', '/metrics')));
    return scrapes
      .flatMap(({ body }) => parsePrometheus(String(body)).samples)
      .filter(sample => sample.metric === metric)
      .reduce((sum, { value }) => sum + value, 0);
  };
  const accepted = 'featuremesh_rows_accepted_total';
  const applied = 'featuremesh_rows_applied_total';
  const before = [await count(accepted), await count(applied)] as const;
  const eventTime = new Date().toISOString();
  const write = (service: ServiceProcess, request: number): Promise<unknown> => {
    const rows = Array.from({ length: REQUEST_ROWS }, (_, at) => ({
      key: { airport: `amplified-${request}-${at}` },
      eventTime,
      features: { mean: at },
    }));
    return region.call(service, 'POST', '/v1/groups/delays/rows', { rows });
  };
  await Promise.all(
    services.flatMap(service => Array.from({ length: REQUESTS }, (_, request) => write(service, request))),
  );
  const acceptedRows = (await count(accepted)) - before[0];
  const appliedRows = async (): Promise<number> => (await count(applied)) - before[1];
  // What is pending was accepted and comes a moment later.
  const untilMs = Date.now() + APPLIED_WITHIN_MS;
  while ((await appliedRows()) < acceptedRows && Date.now() < untilMs)
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  return { acceptedRows, appliedRows: await appliedRows() };
}
