import { type RegionConfig, serviceAddress } from '@featuremesh/contracts/region-config';
import { request } from 'undici';
import type { CanaryItem, CanaryMedium } from './canary-medium.ts';

/** What processes say to people and monitors: metrics, traces, errors. It may hold no value of any row, of whatever region. */
export function saidMedium(medium: Pick<CanaryMedium, 'name' | 'region' | 'control' | 'scan'>): CanaryMedium {
  return { ...medium, permits: () => false };
}

/** Texts or bodies that the caller collected, as a medium of a region. */
export async function* itemsOf(bodies: Iterable<Uint8Array | string>): AsyncGenerator<CanaryItem> {
  let ordinal = 0;
  for (const body of bodies) {
    ordinal += 1;
    yield { where: `body ${ordinal}`, bytes: typeof body === 'string' ? Buffer.from(body) : body };
  }
}

/** `/metrics` of every process of a running region. */
export function metricsMedium(config: RegionConfig): CanaryMedium {
  const services = Array.from({ length: config.services }, (_, slot) => ({
    process: `service ${slot}`,
    ...serviceAddress(config, slot),
  }));
  const { gateway, sync } = config.listen;
  const processes = [...services, { process: 'gateway', ...gateway }, { process: 'sync agent', ...sync }];
  return saidMedium({
    name: 'metrics',
    region: config.id,
    control: 'featuremesh_',
    async *scan() {
      for (const { process, host, port } of processes) {
        const answer = await request(`http://${host}:${port}/metrics`);
        const text = await answer.body.text();
        if (answer.statusCode !== 200) throw new Error(`metrics of ${process}: status ${answer.statusCode}`);
        yield { where: process, bytes: Buffer.from(text) };
      }
    },
  });
}
