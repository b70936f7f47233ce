import type { SeededRandom } from '@featuremesh/runtime/random';
import { ZipfSampler } from './zipf-sampler.ts';

/** Dimensions of an embedding. */
export const EMBEDDING_DIMENSIONS = 64;

const CATEGORIES = [
  'politics',
  'business',
  'sport',
  'science',
  'culture',
  'health',
  'travel',
  'local',
] as const;
const NAMES = 400;
const NAMES_PER_ARTICLE = 3;
/** Skew of attention over articles and over readers; about what news sites report. */
const ARTICLE_SKEW = 1.07;
const USER_SKEW = 0.7;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const LONGEST_MS = 30 * DAY_MS;
/** Mean age of a click: most of what a user did is recent, some lies weeks back. */
const MEAN_CLICK_AGE_MS = 4 * DAY_MS;

/** What an article is about. */
export interface Article {
  readonly id: string;
  readonly category: string;
  readonly entities: readonly string[];
  /** Unit vector near that of its category. */
  readonly embedding: Float32Array;
  readonly ageMs: number;
}

/** One impression: an article shown to a user some time ago, and whether it was clicked. */
export interface Impression {
  readonly user: number;
  readonly article: number;
  readonly ageMs: number;
  readonly clicked: boolean;
}

/** Sizes of a news feed; 10,000 articles are one day of the reference scenario. */
export interface NewsFeedSize {
  readonly users: number;
  readonly articles: number;
  readonly impressions: number;
}

/** A news feed made from a seed: the same seed and size give the same articles and impressions on every machine. */
export class NewsWorld {
  readonly size: NewsFeedSize;
  readonly articles: readonly Article[];
  readonly #random: SeededRandom;

  constructor(random: SeededRandom, size: NewsFeedSize) {
    this.size = size;
    this.#random = random;
    const drawing = random.stream('articles');
    const centres = new Map(CATEGORIES.map(category => [category, direction(drawing)] as const));
    this.articles = Array.from({ length: size.articles }, (_, i) => article(drawing, centres, i));
  }

  /** The impressions in no order of time; articles by Zipf's law, users by a flatter one. */
  *impressions(): Generator<Impression> {
    const random = this.#random.stream('impressions');
    const articles = new ZipfSampler(this.size.articles, ARTICLE_SKEW);
    const users = new ZipfSampler(this.size.users, USER_SKEW);
    const appeal = Float64Array.from({ length: this.size.articles }, () => 0.02 + 0.15 * random.float());
    for (let i = 0; i < this.size.impressions; i++) {
      const article = articles.at(random.float());
      const ageMs = Math.min(-Math.log(1 - random.float()) * MEAN_CLICK_AGE_MS, LONGEST_MS);
      const clicked = random.float() < (appeal[article] ?? 0);
      yield { user: users.at(random.float()), article, ageMs, clicked };
    }
  }
}

/** Id of the n-th user, from 0. */
export function userId(n: number): string {
  return `u${n + 1}`;
}

/** Id of the n-th article, from 0. */
export function articleId(n: number): string {
  return `a${n + 1}`;
}

function article(random: SeededRandom, centres: ReadonlyMap<string, Float32Array>, i: number): Article {
  const category = CATEGORIES[random.int(CATEGORIES.length)] ?? CATEGORIES[0];
  const noise = direction(random);
  const centre = centres.get(category) ?? noise;
  return {
    id: articleId(i),
    category,
    entities: Array.from({ length: NAMES_PER_ARTICLE }, () => `name-${random.int(NAMES)}`),
    embedding: unit(centre.map((value, d) => value + 0.6 * (noise[d] ?? 0))),
    ageMs: random.float() * DAY_MS,
  };
}

/** A direction drawn evenly from the sphere. */
function direction(random: SeededRandom): Float32Array {
  const gauss = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
  return unit(Float32Array.from({ length: EMBEDDING_DIMENSIONS }, gauss));
}

/** The vector at length 1; the zero vector stays as it is. */
export function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map(value => value / length);
}
