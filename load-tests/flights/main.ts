import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@featuremesh/runtime/clock';
import { seededRandom, systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { openFlightSource } from '../adapters/duckdb/duckdb-flight-source.ts';
import { type Mesh, readMesh, regionOf } from '../mesh/mesh-regions.ts';
import { untilReadable } from '../mesh/readable.ts';
import { RowSender } from '../mesh/row-sender.ts';
import { FlightLoader } from './flight-loader.ts';
import type { Airport } from './flight-source.ts';
import type { LoaderEvent } from './loader-events.ts';
import { readState } from './loader-state.ts';
import { airportProfileRows, travellerRows } from './profile-rows.ts';
import { SavedState } from './saved-state.ts';

const DEFAULT_ROWS = 500_000;
/** Flights a second of the stream: every airport of the source comes by in a few minutes. */
const DEFAULT_FLIGHTS_PER_S = 5;
/** A day at this rate fills about 200 MB of windows. */
const MAX_FLIGHTS_PER_S = 100;
/** What lies between a departure and the day's figures reaching a feature store. */
const PUBLICATION_DELAY_MS = 5 * 60_000;
const EAST = 'us-east-1';
const WEST = 'us-west-2';

const usage = `node load-tests/flights/main.ts --mesh FILE --state-dir FOLDER [--rows N] [--rate N]

  --mesh FILE         mesh.json of a running mesh whose demo definitions and policies are in force
  --state-dir FOLDER  where the loader remembers how far it is (also: --state)
  --rows N            flights to load before streaming (${DEFAULT_ROWS})
  --rate N            flights a second to stream afterwards (${DEFAULT_FLIGHTS_PER_S}; at most ${MAX_FLIGHTS_PER_S})`;

const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());
process.on('SIGINT', () => stopping.abort());
if (process.connected) process.on('disconnect', () => stopping.abort());

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return;
  const mesh = readMesh(options.mesh);
  const source = await openFlightSource();
  const senders = new Map(
    mesh.regions.map(region => [region.id, new RowSender(region, systemTimer)] as const),
  );
  const state = new SavedState(options.stateFolder, systemClock);
  try {
    const airports = await source.airports();
    const sides = { east: senderOf(senders, mesh, EAST), west: senderOf(senders, mesh, WEST) };
    const base = { source, rows: options.rows, clock: systemClock };
    const known = readState(options.stateFolder);
    if (known === undefined) {
      const made = { loadId: systemRandom.base32(10), publicationDelayMs: PUBLICATION_DELAY_MS };
      state.save(await FlightLoader.firstState(base, made));
    } else state.save(known);
    await writeProfiles({ state, airports, senders });
    const loader = new FlightLoader(
      {
        ...base,
        airports,
        sides,
        flightsPerS: options.flightsPerS,
        timer: systemTimer,
        save: next => state.save(next),
        report,
        whenReadable: () =>
          untilReadable(mesh, {
            airport: airports.at(-1)?.code ?? '',
            signal: stopping.signal,
            timer: systemTimer,
          }),
      },
      state.current,
      stopping.signal,
    );
    await loader.run();
  } finally {
    state.flush();
    source.close();
    await Promise.all([...senders.values()].map(sender => sender.close()));
  }
}

/** Airports, in the home region of their group, and travellers, each in the region of residence. */
async function writeProfiles(work: {
  readonly state: SavedState;
  readonly airports: readonly Airport[];
  readonly senders: ReadonlyMap<string, RowSender>;
}): Promise<void> {
  const { state, airports, senders } = work;
  if (state.current.profilesWritten) return;
  const eventTimeMs = systemClock.nowMs();
  const regions = [...senders.keys()].slice(0, 3);
  const total = regions.length + 1;
  report({
    event: 'progress',
    phase: 'airport profiles and travellers',
    rows: 0,
    totalRows: total,
    rowsPerS: 0,
  });
  const id = `${state.current.loadId}-profiles-${eventTimeMs}`;
  const east = senders.get(EAST);
  await east?.send(
    {
      group: `${EAST}/airport_profile`,
      ndjson: airportProfileRows(airports, eventTimeMs),
      idempotencyKey: id,
    },
    stopping.signal,
  );
  const codes = airports.map(({ code }) => code);
  for (const [ordinal, region] of regions.entries()) {
    const ndjson = travellerRows({
      region: { id: region, ordinal },
      regions: regions.length,
      random: seededRandom('travellers').stream(region),
      airports: codes,
      eventTimeMs,
    });
    await senders
      .get(region)
      ?.send({ group: `${EAST}/traveller_profile`, ndjson, idempotencyKey: id }, stopping.signal);
  }
  report({
    event: 'progress',
    phase: 'airport profiles and travellers',
    rows: total,
    totalRows: total,
    rowsPerS: 0,
  });
  state.save({ ...state.current, profilesWritten: true });
}

function senderOf(senders: ReadonlyMap<string, RowSender>, mesh: Mesh, id: string): RowSender {
  const sender = senders.get(regionOf(mesh, id).id);
  if (sender === undefined) throw new Error(`there is no sender for ${id}`);
  return sender;
}

function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      mesh: text,
      'state-dir': text,
      state: text,
      rows: text,
      rate: text,
      help: { type: 'boolean' },
    },
  });
  const stateFolder = values['state-dir'] ?? values.state;
  if (values.help === true || values.mesh === undefined || stateFolder === undefined) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = values.help === true ? 0 : 2;
    return undefined;
  }
  return {
    mesh: values.mesh,
    stateFolder: join(stateFolder),
    rows: positive('--rows', values.rows ?? String(DEFAULT_ROWS), Number.MAX_SAFE_INTEGER),
    flightsPerS: positive('--rate', values.rate ?? String(DEFAULT_FLIGHTS_PER_S), MAX_FLIGHTS_PER_S),
  };
}

function positive(name: string, text: string, max: number): number {
  const value = Number(text);
  if (value > 0 && value <= max) return value;
  throw new Error(`${name} must be a number above 0, at most ${max}`);
}

function report(event: LoaderEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

try {
  await main();
} catch (error) {
  if (!stopping.signal.aborted) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
if (process.connected) process.disconnect();
