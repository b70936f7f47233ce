import { articleId, EMBEDDING_DIMENSIONS, type NewsWorld, unit, userId } from './news-world.ts';
import { WindowCounts } from './window-counts.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const USER_WINDOWS_MS = [HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS];
const ARTICLE_WINDOWS_MS = [10 * MINUTE_MS, HOUR_MS, DAY_MS];
const MAX_INTERESTS = 3;

/** A row before it is written as JSON. */
export interface NewsRow {
  readonly key: Readonly<Record<string, string>>;
  readonly features: Readonly<Record<string, unknown>>;
}

/** All rows of a news feed, by group; each group's rows are made only when they are asked for. */
export function newsRows(world: NewsWorld): ReadonlyMap<string, () => Generator<NewsRow>> {
  const { users, articles } = world.size;
  const byUser = new WindowCounts(users, USER_WINDOWS_MS);
  const byArticle = new WindowCounts(articles, ARTICLE_WINDOWS_MS);
  const tastes = new Float32Array(users * EMBEDDING_DIMENSIONS);
  const categories: Map<string, number>[] = Array.from({ length: users }, () => new Map());
  for (const { user, article, ageMs, clicked } of world.impressions()) {
    byUser.add(user, ageMs, clicked);
    // Articles are a day old at most: what was shown of one is squeezed into its life.
    byArticle.add(article, ageMs % DAY_MS, clicked);
    const about = world.articles[article];
    if (!clicked || about === undefined) continue;
    const base = user * EMBEDDING_DIMENSIONS;
    for (const [d, value] of about.embedding.entries()) tastes[base + d] = (tastes[base + d] ?? 0) + value;
    const seen = categories[user];
    seen?.set(about.category, (seen.get(about.category) ?? 0) + 1);
  }
  return new Map<string, () => Generator<NewsRow>>([
    [
      'user_engagement',
      () => each(users, i => ({ key: { user: userId(i) }, features: engagement(byUser, i) })),
    ],
    [
      'user_profile',
      () =>
        each(users, i => {
          const start = i * EMBEDDING_DIMENSIONS;
          const embedding = unit(tastes.subarray(start, start + EMBEDDING_DIMENSIONS));
          const features = { interests: favourites(categories[i] ?? new Map()), embedding: [...embedding] };
          return { key: { user: userId(i) }, features };
        }),
    ],
    [
      'article_stats',
      () =>
        each(articles, i => ({
          key: { article: articleId(i) },
          features: stats(byArticle, i, (world.articles[i]?.ageMs ?? 0) / HOUR_MS),
        })),
    ],
    [
      'article_content',
      () =>
        each(articles, i => {
          const { category, entities, embedding } = world.articles[i] ?? { embedding: [] };
          return {
            key: { article: articleId(i) },
            features: { category, entities, embedding: [...embedding] },
          };
        }),
    ],
  ]);
}

function* each(count: number, row: (i: number) => NewsRow): Generator<NewsRow> {
  for (let i = 0; i < count; i++) yield row(i);
}

function engagement(counts: WindowCounts, user: number): Record<string, number> {
  return {
    clicks_1h: counts.clicks(user, 0),
    clicks_24h: counts.clicks(user, 1),
    clicks_7d: counts.clicks(user, 2),
    clicks_30d: counts.clicks(user, 3),
    impressions_24h: counts.impressions(user, 1),
    impressions_30d: counts.impressions(user, 3),
    click_through_1h: counts.clickThrough(user, 0),
    click_through_24h: counts.clickThrough(user, 1),
    click_through_7d: counts.clickThrough(user, 2),
    click_through_30d: counts.clickThrough(user, 3),
  };
}

function stats(counts: WindowCounts, article: number, ageHours: number): Record<string, number> {
  return {
    views_10m: counts.impressions(article, 0),
    views_1h: counts.impressions(article, 1),
    views_24h: counts.impressions(article, 2),
    clicks_10m: counts.clicks(article, 0),
    clicks_1h: counts.clicks(article, 1),
    clicks_24h: counts.clicks(article, 2),
    click_through_10m: counts.clickThrough(article, 0),
    click_through_1h: counts.clickThrough(article, 1),
    click_through_24h: counts.clickThrough(article, 2),
    age_hours: ageHours,
  };
}

function favourites(counts: ReadonlyMap<string, number>): string[] {
  return [...counts]
    .toSorted(([a, m], [b, n]) => n - m || a.localeCompare(b))
    .slice(0, MAX_INTERESTS)
    .map(([category]) => category);
}
