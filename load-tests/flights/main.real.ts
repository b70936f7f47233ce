import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RegionSink, type SunkRow } from '../mesh/region-sink.ts';
import { LATE_FROM_MIN } from './delay-window.ts';
import type { LoaderEvent } from './loader-events.ts';
import { readState, writeState } from './loader-state.ts';
import { TRAVELLERS_PER_REGION } from './profile-rows.ts';

/** Somewhat more than 36 hours of them. */
const ROWS = 40_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let folder: string;
let sinks: RegionSink[];
let loaders: ChildProcess[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'featuremesh-flights-'));
  loaders = [];
  sinks = [];
  // Every seventh write is refused once, so that rows arrive out of order and again.
  const refuse = (request: number) => (request % 7 === 3 ? 429 : undefined);
  sinks.push(new RegionSink('us-east-1', { refuse, mesh: sinks }));
  for (const id of ['us-west-2', 'eu-west-1']) sinks.push(new RegionSink(id, { mesh: sinks }));
  for (const sink of sinks) await sink.listen();
  writeFileSync(
    join(folder, 'mesh.json'),
    JSON.stringify({ regions: sinks.map(({ id, url }) => ({ id, url })) }),
  );
});

afterEach(async () => {
  for (const loader of loaders) loader.kill('SIGKILL');
  await Promise.all(sinks.map(sink => sink.close()));
  rmSync(folder, { recursive: true });
});

/** Runs the loader until it reports `last`; then ends it by SIGTERM and returns its events and exit code. */
async function runUntil(last: LoaderEvent['event'], options: { rate?: number; lingerMs?: number } = {}) {
  const loader = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('main.ts', import.meta.url)),
      ...['--mesh', join(folder, 'mesh.json'), '--state-dir', join(folder, 'state')],
      ...['--rows', String(ROWS), '--rate', String(options.rate ?? 0.1)],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  loaders.push(loader);
  const events: LoaderEvent[] = [];
  for await (const line of createInterface({ input: loader.stdout })) {
    const event = JSON.parse(line) as LoaderEvent;
    events.push(event);
    if (event.event === last) break;
  }
  await new Promise(resolve => setTimeout(resolve, options.lingerMs ?? 0));
  const ended = loader.exitCode === null ? once(loader, 'exit') : [loader.exitCode];
  loader.kill('SIGTERM');
  const [code] = await ended;
  return { events, code: code as number | null };
}

function rowsOf(group: string): SunkRow[] {
  return sinks.flatMap(sink => sink.rows(group));
}

const timeOf = (row: SunkRow): number => Date.parse(row.eventTime);

/** Values of the newest row of an airport, computed from all rows of its routes by the definition. */
function naiveDay(airport: string) {
  const sent = rowsOf('route_delays').filter(({ key }) => key['origin'] === airport);
  // What was sent again after an interruption is the same flight.
  const flights = [...new Map(sent.map(row => [timeOf(row), row])).values()];
  const newestMs = Math.max(...flights.map(timeOf));
  const delays = flights
    .filter(row => timeOf(row) > newestMs - 24 * HOUR_MS)
    .map(({ features }) => Number(features['last_delay_min']))
    .toSorted((a, b) => a - b);
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
  return {
    flights_24h: delays.length,
    mean_delay_min: Math.round(mean * 100) / 100,
    p90_delay_min: delays[Math.ceil(delays.length * 0.9) - 1],
    late_share_24h:
      Math.round((delays.filter(delay => delay >= LATE_FROM_MIN).length / delays.length) * 10_000) / 10_000,
  };
}

function newest(group: string, airport: string): SunkRow | undefined {
  return rowsOf(group)
    .filter(({ key }) => key['airport'] === airport)
    .toSorted((a, b) => timeOf(a) - timeOf(b))
    .at(-1);
}

test('a first start loads every flight once, ends now, and keeps each row where it belongs', async () => {
  const { events, code } = await runUntil('loaded');
  expect(code).toBe(0);
  const kinds = events.map(({ event }) => event);
  expect(kinds).toContain('offset');
  expect(kinds.lastIndexOf('progress')).toBeLessThan(kinds.indexOf('loaded'));
  expect(rowsOf('airport_delays')).toHaveLength(ROWS);
  expect(rowsOf('route_delays')).toHaveLength(ROWS);
  expect(new Set(rowsOf('airport_delays').map(timeOf)).size).toBe(ROWS);
  const created = rowsOf('airport_delays').map(row => Date.parse(row.createdTime ?? ''));
  expect(Math.abs(Math.max(...created) - Date.now())).toBeLessThan(MINUTE_MS);
  for (const airport of ['ORD', 'LAX', 'ATL', 'SEA'])
    expect(newest('airport_delays', airport)?.features).toMatchObject(naiveDay(airport));
  const origins = sinks.map(sink => new Set(sink.rows('route_delays').map(({ key }) => key['origin'])));
  expect(origins[0]?.has('ATL')).toBe(true);
  expect(origins[1]?.has('LAX')).toBe(true);
  expect([...(origins[0] ?? [])].filter(airport => origins[1]?.has(airport))).toEqual([]);
  expect(sinks[2]?.rows('route_delays')).toEqual([]);
  expect(sinks[0]?.rows('airport_profile').length).toBeGreaterThan(3_000);
  for (const sink of sinks) {
    const residents = sink.rows('traveller_profile');
    expect(residents).toHaveLength(TRAVELLERS_PER_REGION);
    expect(new Set(residents.map(({ key }) => key['residence']))).toEqual(new Set([sink.id]));
  }
  expect(sinks[2]?.rows('traveller_profile')[0]?.key).toEqual({ traveller: 't-3', residence: 'eu-west-1' });
});

test('after the load it is ready and streams flights of now; a second start reloads nothing and goes on', async () => {
  const first = await runUntil('streaming', { rate: 50, lingerMs: 2_000 });
  expect(first.code).toBe(0);
  const kinds = first.events.map(({ event }) => event);
  expect(kinds).toContain('ready');
  const streamed = rowsOf('airport_delays').length - ROWS;
  expect(streamed).toBeGreaterThan(40);
  const state = readState(join(folder, 'state'));
  const delayMs = state?.publicationDelayMs ?? 0;
  const last = Math.max(...rowsOf('airport_delays').map(timeOf));
  expect(Math.abs(Date.now() - delayMs - last)).toBeLessThan(20_000);

  const second = await runUntil('streaming', { rate: 50, lingerMs: 1_000 });
  expect(second.events.map(({ event }) => event)).toEqual(['ready', 'streaming']);
  const flights = rowsOf('airport_delays').length;
  expect(flights).toBeGreaterThan(ROWS + streamed);
  expect(flights).toBeLessThan(ROWS + streamed + 500);
  for (const airport of ['ORD', 'LAX'])
    expect(newest('airport_delays', airport)?.features).toMatchObject(naiveDay(airport));
});

test('an interrupted load goes on where it was', async () => {
  const first = await runUntil('offset', { lingerMs: 400 });
  expect(first.code).toBe(0);
  const { events } = await runUntil('loaded');
  expect(events.at(-1)).toMatchObject({ event: 'loaded' });
  const times = new Set(rowsOf('airport_delays').map(timeOf));
  expect(times.size).toBe(ROWS);
  for (const airport of ['ORD', 'LAX'])
    expect(newest('airport_delays', airport)?.features).toMatchObject(naiveDay(airport));
});

test('a start days later loads the last 36 hours again under new event times', async () => {
  await runUntil('loaded');
  const state = readState(join(folder, 'state'));
  if (state === undefined) expect.fail('there is no state');
  const ageMs = 3 * 24 * HOUR_MS;
  writeState(join(folder, 'state'), {
    ...state,
    lastEventMs: (state.lastEventMs ?? 0) - ageMs,
    stretches: state.stretches.map(stretch =>
      stretch.kind === 'shift' ? { ...stretch, offsetMs: stretch.offsetMs - ageMs } : stretch,
    ),
  });
  const before = rowsOf('airport_delays').length;
  const { events } = await runUntil('loaded');
  const again = rowsOf('airport_delays').slice(0);
  const anew = again.length - before;
  expect(anew).toBeGreaterThan(5_000);
  expect(anew).toBeLessThan(ROWS);
  expect(events.at(-1)).toMatchObject({ event: 'loaded', flights: anew });
  const lastMs = Math.max(...again.map(timeOf));
  expect(Math.abs(lastMs + state.publicationDelayMs - Date.now())).toBeLessThan(MINUTE_MS);
  expect(readFileSync(join(folder, 'state', 'flights.json'), 'utf8')).toContain('"shift"');
});
