import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '@featuremesh/runtime/random';
import { request } from 'undici';
import { bringIntoForce } from '../mesh/fmesh.ts';
import { regionOf } from '../mesh/mesh-regions.ts';
import { loadNewsFeed, NEWS_HOME } from '../news-feed/load-news-feed.ts';
import { articleId, userId } from '../news-feed/news-world.ts';
import { ZipfSampler } from '../news-feed/zipf-sampler.ts';
import type { BenchContext } from './figure.ts';

/** Users and a day's articles of the feed that is measured. */
const SIZE = { users: 20_000, articles: 10_000, impressions: 1_000_000 };
/** Articles of one slate. */
const SLATE_ARTICLES = 50;
/** Different slates of a measurement: enough that no answer is repeated from a cache of a few. */
const SLATES = 512;
const FRESH_MS = 6 * 3_600_000;

/** Keys of one ranking request: one user, fifty articles, drawn as a feed draws them. */
export interface Slate {
  readonly user: string;
  readonly article: readonly string[];
}

/** Loads the news feed unless a fresh one is there already. */
export async function ensureNewsFeed(context: BenchContext): Promise<void> {
  if (await isLoaded(context)) return;
  context.say('bringing the news feed into the mesh');
  await bringIntoForce(
    fileURLToPath(new URL(join('..', 'news-feed'), import.meta.url)),
    context.dataDir,
    context.mesh,
  );
  await loadNewsFeed(context.mesh, { seed: '1', size: SIZE, signal: context.signal });
}

async function isLoaded({ mesh }: BenchContext): Promise<boolean> {
  const response = await request(`${regionOf(mesh, NEWS_HOME).url}/v1/online/read`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      service: 'news_ranking_embeddings',
      keys: { user: userId(SIZE.users - 1), article: articleId(SIZE.articles - 1) },
      maxAgeMs: FRESH_MS,
    }),
  });
  const text = await response.body.text();
  return response.statusCode === 200 && !/NOT_FOUND|OUTSIDE_MAX_AGE|REFUSED|UNAVAILABLE/.test(text);
}

/** The slates of a measurement, the same each time. Articles of one slate are distinct. */
export function slates(): Slate[] {
  const random = seededRandom('slates');
  const users = new ZipfSampler(SIZE.users, 0.7);
  const articles = new ZipfSampler(SIZE.articles, 1.07);
  return Array.from({ length: SLATES }, () => {
    const chosen = new Set<string>();
    while (chosen.size < SLATE_ARTICLES) chosen.add(articleId(articles.at(random.float())));
    return { user: userId(users.at(random.float())), article: [...chosen] };
  });
}

/** A group that writes are measured into, and rows of it: ten floats each, with event time now. */
export interface MeasuredGroup {
  readonly name: 'local' | 'active-active';
  readonly path: string;
  readonly rows: (first: number, count: number) => object[];
}

/** One group that stays in its region, one whose rows every region's importer applies. */
export const MEASURED_GROUPS: readonly MeasuredGroup[] = [
  { name: 'local', path: `/v1/groups/${NEWS_HOME}/user_engagement/rows`, rows: engagementRows },
  { name: 'active-active', path: `/v1/groups/${NEWS_HOME}/article_stats/rows`, rows: articleStatsRows },
];

function engagementRows(first: number, count: number): object[] {
  const random = seededRandom(`engagement ${first}`);
  const eventTime = new Date().toISOString();
  return Array.from({ length: count }, (_, i) => {
    const [clicks, rate] = [random.int(500), random.float() * 0.2];
    return {
      key: { user: userId((first + i) % SIZE.users) },
      eventTime,
      features: {
        clicks_1h: Math.round(clicks / 300),
        clicks_24h: Math.round(clicks / 30),
        clicks_7d: Math.round(clicks / 4),
        clicks_30d: clicks,
        impressions_24h: Math.round(clicks / 3),
        impressions_30d: clicks * 10,
        click_through_1h: rate,
        click_through_24h: rate * 0.9,
        click_through_7d: rate * 0.8,
        click_through_30d: rate * 0.7,
      },
    };
  });
}

/** NDJSON or JSON rows of `article_stats` for a range of articles, with event time now. */
export function articleStatsRows(first: number, count: number): object[] {
  const random = seededRandom(`stats ${first}`);
  const eventTime = new Date().toISOString();
  return Array.from({ length: count }, (_, i) => {
    const [views, rate] = [random.int(5_000), random.float() * 0.2];
    return {
      key: { article: articleId((first + i) % SIZE.articles) },
      eventTime,
      features: {
        views_10m: Math.round(views / 80),
        views_1h: Math.round(views / 14),
        views_24h: views,
        clicks_10m: Math.round((views * rate) / 80),
        clicks_1h: Math.round((views * rate) / 14),
        clicks_24h: Math.round(views * rate),
        click_through_10m: rate,
        click_through_1h: rate * 0.9,
        click_through_24h: rate * 0.8,
        age_hours: random.float() * 24,
      },
    };
  });
}
