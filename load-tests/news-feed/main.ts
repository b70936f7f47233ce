import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bringIntoForce } from '../mesh/fmesh.ts';
import { readMesh } from '../mesh/mesh-regions.ts';
import { loadNewsFeed } from './load-news-feed.ts';

const usage = `node load-tests/news-feed/main.ts --mesh FILE [options]

  --mesh FILE       mesh.json of a running mesh
  --apply           apply the definitions and run the approval of the policies first; needs the officers of the local mesh
  --seed TEXT       what everything is drawn from (1)
  --users N         users (20000)
  --articles N      articles (10000: a day of the reference scenario)
  --impressions N   articles shown to users (2000000)`;

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    mesh: text,
    seed: text,
    users: text,
    articles: text,
    impressions: text,
    apply: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

if (values.help === true || values.mesh === undefined) {
  process.stderr.write(`${usage}\n`);
  process.exitCode = values.help === true ? 0 : 2;
} else {
  const stopping = new AbortController();
  process.on('SIGTERM', () => stopping.abort());
  process.on('SIGINT', () => stopping.abort());
  const mesh = readMesh(values.mesh);
  if (values.apply === true)
    await bringIntoForce(fileURLToPath(new URL('.', import.meta.url)), dirname(values.mesh), mesh);
  const startedMs = performance.now();
  const written = await loadNewsFeed(mesh, {
    seed: values.seed ?? '1',
    size: {
      users: whole('--users', values.users ?? '20000'),
      articles: whole('--articles', values.articles ?? '10000'),
      impressions: whole('--impressions', values.impressions ?? '2000000'),
    },
    signal: stopping.signal,
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  const rows = Object.fromEntries(written);
  process.stdout.write(
    `${JSON.stringify({ event: 'loaded', rows, seconds: Math.round(seconds * 10) / 10 })}\n`,
  );
}

function whole(name: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`${name} must be a whole number above 0`);
}
