import type { BareGroup } from '../adapters/lmdb/bare-reader.ts';
import { rawSlateReads } from '../adapters/lmdb/raw-reads.ts';
import { type MeshRegion, regionOf } from '../mesh/mesh-regions.ts';
import { regionGroup } from '../mesh/region-group.ts';
import { NEWS_HOME } from '../news-feed/load-news-feed.ts';
import { startReader, startRelay, type Yardstick } from './echo.ts';
import type { Figure } from './figure.ts';
import { type LoadRequest, type LoadShape, rounded } from './http-load.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';
import { ensureNewsFeed, type Slate, slates } from './news-workload.ts';

const SERVICES = { floats: 'news_ranking', embeddings: 'news_ranking_embeddings' } as const;
const CONNECTIONS = [1, 8] as const;
const SLATE_ROWS = 51;
/** What the service of ten floats each reads. */
const FLOAT_GROUPS = [
  { name: 'user_engagement', joinKey: 'user' },
  { name: 'article_stats', joinKey: 'article' },
] as const;
/** Rate of the open loop, as a share of what eight connections got through: busy, not full. */
const OPEN_SHARE = 0.5;
const QUERY = `query Slate($service: String!, $keys: JSON!) {
  online(service: $service, keys: $keys) {
    rows results { region group as version rowIndex names columns statuses eventTimes source problem }
  }
}`;

/** The ways in which a slate can be read. */
const WAYS = {
  'region-http': {
    url: (region: MeshRegion) => region.url,
    request: (service: string, keys: Slate): LoadRequest => ({
      path: '/v1/online/read',
      body: JSON.stringify({ service, keys }),
      contentType: 'application/json',
    }),
  },
  'gateway-http': {
    url: (region: MeshRegion) => region.gatewayUrl,
    request: (service: string, keys: Slate): LoadRequest => ({
      path: '/v1/online/read',
      body: JSON.stringify({ service, keys }),
      contentType: 'application/json',
    }),
  },
  'gateway-graphql': {
    url: (region: MeshRegion) => region.gatewayUrl,
    request: (service: string, keys: Slate): LoadRequest => ({
      path: '/graphql',
      body: JSON.stringify({ query: QUERY, variables: { service, keys } }),
      contentType: 'application/json',
    }),
  },
} as const;

const WAY_NAMES = ['region-http', 'gateway-http', 'gateway-graphql'] as const;
/** The processes that work for a read by each way. */
const PARTS = {
  'region-http': ['service-0'],
  'gateway-http': ['gateway', 'service-0'],
  'gateway-graphql': ['gateway', 'service-0'],
} as const;

/** What is measured beside each way, besides the echo. */
const LIMITS = {
  'region-http': 'a server that reads and decodes the same rows and no more (floats)',
  'gateway-http': 'a relay to the bare server',
  'gateway-graphql': 'a relay to the bare server',
} as const;

/** Reads of one user and fifty articles, by each way in, with and without embeddings: throughput, and latency at half of it. */
export const slateRead: Figure = {
  name: 'slate-read',
  about: 'reads of 1 user + 50 articles by region HTTP, gateway HTTP and gateway GraphQL',
  needsMesh: true,
  maxMeasurements: 60,
  async *run(context) {
    await ensureNewsFeed(context);
    const rawLmdbPerS = rounded(await rawSlateReads(SLATE_ROWS));
    const region = regionOf(context.mesh, NEWS_HOME);
    const wanted = slates();
    const readers: Readonly<Record<string, () => Promise<Yardstick>>> = { floats: await bareReader(region) };
    for (const [content, service] of Object.entries(SERVICES)) {
      for (const way of WAY_NAMES) {
        const { url, request } = WAYS[way];
        const base = url(region);
        if (base === undefined) continue;
        const requests = wanted.map(keys => request(service, keys));
        const [first] = requests;
        if (first === undefined) continue;
        const answer = await probe(base, first, isWhole);
        const beside = way === 'region-http' ? readers[content] : startRelay;
        let best = 0;
        for (const connections of CONNECTIONS) {
          context.say(`  ${way}, ${content}, ${connections} connections`);
          const shape: LoadShape = { kind: 'closed', connections };
          const { values, echo, limitPerS } = await measureBesideEcho(base, requests, {
            shape,
            seconds: context.seconds,
            answer,
            signal: context.signal,
            ...(beside === undefined ? {} : { beside }),
            pids: PARTS[way].flatMap(part => region.pids?.[part] ?? []),
          });
          best = Math.max(best, values['requestsPerS'] ?? 0);
          yield {
            variant: `${way}/${content}/closed-${connections}`,
            values,
            echo,
            limit: { rawLmdbPerS, ...(limitPerS === undefined ? {} : { requestsPerS: limitPerS }) },
            note: `${sizes(first, answer)}; limits: ${SLATE_ROWS} raw LMDB reads; ${LIMITS[way]}`,
          };
        }
        context.say(`  ${way}, ${content}, at half of the peak`);
        const requestsPerS = Math.max(1, Math.floor(best * OPEN_SHARE));
        const open = await measureBesideEcho(base, requests, {
          shape: { kind: 'open', requestsPerS },
          seconds: context.seconds,
          answer,
          signal: context.signal,
        });
        yield {
          variant: `${way}/${content}/open-half`,
          values: { askedPerS: requestsPerS, ...open.values },
          echo: open.echo,
          note: sizes(first, answer),
        };
      }
    }
  },
};

/** An answer without a value missing for want of a row, a permission or a region. */
function isWhole(answer: string): boolean {
  return answer.includes('PRESENT') && !/NOT_FOUND|REFUSED|UNAVAILABLE|"errors"/.test(answer);
}

function sizes(request: LoadRequest, answer: string): string {
  return `${request.body.length} bytes asked, ${answer.length} answered`;
}

/** Starts the server beside a region's reads of ten floats each, on what the region itself has of them. */
async function bareReader(region: MeshRegion): Promise<() => Promise<Yardstick>> {
  const { dataDir } = region;
  if (dataDir === undefined) throw new Error('mesh.json does not say where the region keeps its data');
  const groups = await Promise.all(FLOAT_GROUPS.map(one => bareGroup(region, one)));
  return () => startReader(dataDir, groups);
}

async function bareGroup(
  { url }: MeshRegion,
  { name, joinKey }: { readonly name: string; readonly joinKey: string },
): Promise<BareGroup> {
  const { id, version, features } = await regionGroup(url, name);
  return { name, id, version, joinKey, features: features.map(feature => feature.name) };
}
