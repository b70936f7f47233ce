import type { RegionConfig } from '@featuremesh/contracts/region-config';
import type { WanConfig, WanService } from '../wan/wan-path.ts';
import { demoRoundTripMs } from './round-trips.ts';

/** Where the proxy's ports begin, counted from the first region's: behind the tens of ten regions. */
const WAN_PORT_OFFSET = 100;
/** Ports of one pair of regions: two directions, two services. */
const PORTS_PER_PAIR = 4;
const SERVICES: readonly WanService[] = ['link', 'http'];

/** Ports from the first region's base that a mesh of ten regions may use, those of the proxy and of the stores included. */
export const MESH_PORT_SPAN = 400;

/**
 * What lies between these regions with `--wan demo`: one path per directed pair and service, each with half the pair's round
 * trip. A region that is added changes no port of those before it.
 */
export function wanConfigOf(configs: readonly RegionConfig[]): WanConfig {
  const [first] = configs;
  if (first === undefined) throw new TypeError('a mesh has at least one region');
  const base = first.listen.http.port + WAN_PORT_OFFSET;
  const at = (port: number) => ({ host: '127.0.0.1', port });
  const paths = configs.flatMap((far, farIndex) =>
    configs.slice(0, farIndex).flatMap((near, nearIndex) => {
      const pairBase = base + 1 + PORTS_PER_PAIR * ((farIndex * (farIndex - 1)) / 2 + nearIndex);
      const delayMs = demoRoundTripMs(near.id, far.id) / 2;
      const ways = [
        { from: near, to: far },
        { from: far, to: near },
      ];
      return ways.flatMap(({ from, to }, way) =>
        SERVICES.map((service, which) => ({
          from: from.id,
          to: to.id,
          service,
          listen: at(pairBase + way * SERVICES.length + which),
          target: service === 'link' ? leafOf(to) : to.listen.http,
          conditions: { delayMs, jitterMs: 0, bytesPerSecond: null },
        })),
      );
    }),
  );
  return { control: at(base), paths };
}

/** The addresses by which one region of the mesh reaches another: the proxy's where there is one, else the region's own. */
export function reachedAt(
  from: RegionConfig,
  to: RegionConfig,
  wan: WanConfig | undefined,
): { readonly linkUrl: string; readonly serviceUrl: string | undefined } {
  const port = (service: WanService): number | undefined =>
    wan?.paths.find(path => path.from === from.id && path.to === to.id && path.service === service)?.listen
      .port;
  const http = port('http');
  const { host, port: leafPort } = leafOf(to);
  return {
    linkUrl: `nats-leaf://${host}:${port('link') ?? leafPort}`,
    serviceUrl: http === undefined ? undefined : `http://127.0.0.1:${http}`,
  };
}

function leafOf(config: RegionConfig): { readonly host: string; readonly port: number } {
  const leaf = config.nats.embedded?.leaf;
  if (leaf === undefined) throw new TypeError('regions of the local mesh run their brokers themselves');
  return leaf;
}
