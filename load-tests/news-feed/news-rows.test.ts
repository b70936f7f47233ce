import { readFileSync } from 'node:fs';
import { parseDefinitionFiles } from '@featuremesh/contracts/definition-file';
import { seededRandom } from '@featuremesh/runtime/random';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newsRows } from './news-rows.ts';
import { NewsWorld } from './news-world.ts';
import { ZipfSampler } from './zipf-sampler.ts';

const SIZE = { users: 200, articles: 100, impressions: 40_000 };
const HOUR_MS = 3_600_000;

const world = new NewsWorld(seededRandom('test'), SIZE);
const groups = newsRows(world);
const rowsOf = (group: string) => [...(groups.get(group)?.() ?? [])];

test('rows hold exactly the features of their group, and the groups are those of the file', () => {
  const text = readFileSync(new URL('features/news-feed.yaml', import.meta.url), 'utf8');
  const parsed = parseDefinitionFiles([{ name: 'news-feed.yaml', text }]);
  if (!parsed.ok) expect.fail(JSON.stringify(parsed.problem));
  expect(parsed.value.set.groups.map(({ name }) => name).toSorted()).toEqual([...groups.keys()].toSorted());
  for (const group of parsed.value.set.groups) {
    const rows = rowsOf(group.name);
    expect(rows).toHaveLength(group.entities.includes('user') ? SIZE.users : SIZE.articles);
    const names = group.features.map(({ name }) => name).toSorted();
    for (const row of rows) expect(Object.keys(row.features).toSorted()).toEqual(names);
  }
});

test('the same seed makes the same rows, another seed others', () => {
  const again = newsRows(new NewsWorld(seededRandom('test'), SIZE));
  const other = newsRows(new NewsWorld(seededRandom('other'), SIZE));
  for (const group of groups.keys()) {
    expect([...(again.get(group)?.() ?? [])]).toEqual(rowsOf(group));
    expect([...(other.get(group)?.() ?? [])]).not.toEqual(rowsOf(group));
  }
});

test('engagement counts equal a plain count of the impressions', () => {
  const impressions = [...world.impressions()];
  for (const user of [0, 1, 57, 199]) {
    const shown = impressions.filter(one => one.user === user);
    const within = (hours: number) => shown.filter(({ ageMs }) => ageMs < hours * HOUR_MS);
    const clicks = (hours: number) => within(hours).filter(({ clicked }) => clicked).length;
    expect(rowsOf('user_engagement')[user]?.features).toMatchObject({
      clicks_1h: clicks(1),
      clicks_24h: clicks(24),
      clicks_7d: clicks(168),
      clicks_30d: clicks(720),
      impressions_24h: within(24).length,
      click_through_30d: within(720).length === 0 ? 0 : clicks(720) / within(720).length,
    });
  }
});

test('embeddings have unit length, or none for a user without a click', () => {
  for (const group of ['user_profile', 'article_content']) {
    for (const { features } of rowsOf(group)) {
      const length = Math.hypot(...(features['embedding'] as number[]));
      expect(length === 0 || Math.abs(length - 1) < 1e-3).toBe(true);
    }
  }
});

test('Zipf draws follow the stated probabilities', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0.1, max: 2, noNaN: true }), (n, skew) => {
      const sampler = new ZipfSampler(n, skew);
      const weights = Array.from({ length: n }, (_, rank) => (rank + 1) ** -skew);
      const whole = weights.reduce((sum, weight) => sum + weight, 0);
      let below = 0;
      for (const [rank, weight] of weights.entries()) {
        expect(sampler.at((below + weight / 2) / whole)).toBe(rank);
        below += weight;
      }
    }),
    { numRuns: 30 },
  );
});
