import { fileURLToPath } from 'node:url';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Airport, FlightPage, FlightSource } from '../../flights/flight-source.ts';

/** Memory of the reader: one row group of the file takes about 20 MB. */
const MEMORY_LIMIT = '256MB';
const MINUTE_MS = 60_000;

/**
 * The flights and airports of the npm package vega-datasets (US Bureau of Transportation Statistics, January to June 2001), read
 * where npm put them. The file is in order of departure, which its times, to the minute, do not decide within a minute.
 */
export async function openFlightSource(): Promise<FlightSource> {
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: MEMORY_LIMIT, threads: '1' });
  const connection = await instance.connect();
  const total = await scalar(connection, `SELECT count(*)::DOUBLE FROM ${FLIGHTS}`);
  return {
    total,
    page: (first, count) => readPage(connection, first, count),
    firstAtOrAfter: async leftMs => {
      const minute = Math.floor(leftMs / MINUTE_MS) * MINUTE_MS;
      const at = await scalar(
        connection,
        `SELECT coalesce(min(file_row_number), ${total})::DOUBLE FROM ${FLIGHTS} WHERE date >= make_timestamp_ms(${minute})`,
      );
      return at;
    },
    airports: () => readAirports(connection),
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

const FLIGHTS = `read_parquet(${quoted('flights-3m.parquet')}, file_row_number = true)`;

function quoted(file: string): string {
  // The package's entry stands in build/, its files in data/.
  const path = fileURLToPath(new URL(`../data/${file}`, import.meta.resolve('vega-datasets')));
  return `'${path.replaceAll("'", "''")}'`;
}

async function readPage(connection: DuckDBConnection, first: number, count: number): Promise<FlightPage> {
  const result = await connection.runAndReadAll(
    `SELECT epoch_ms(date)::DOUBLE, delay::INTEGER, distance::INTEGER, origin, destination FROM ${FLIGHTS}
     WHERE file_row_number >= ${first} AND file_row_number < ${first + count} ORDER BY file_row_number`,
  );
  const [minutes = [], delays = [], distances = [], origins = [], destinations = []] = result.getColumns();
  const leftMs = Float64Array.from(minutes, Number);
  let ordinal = leftMs.length === 0 ? 0 : first - (await firstOfMinute(connection, leftMs[0] ?? 0));
  let minute = leftMs[0];
  for (const [i, time] of leftMs.entries()) {
    if (time !== minute) [minute, ordinal] = [time, 0];
    leftMs[i] = time + ordinal;
    ordinal += 1;
  }
  return {
    first,
    count: leftMs.length,
    leftMs,
    delaysMin: Int32Array.from(delays, Number),
    distancesMi: Int32Array.from(distances, Number),
    origins: origins.map(String),
    destinations: destinations.map(String),
  };
}

function firstOfMinute(connection: DuckDBConnection, minuteMs: number): Promise<number> {
  return scalar(
    connection,
    `SELECT min(file_row_number)::DOUBLE FROM ${FLIGHTS} WHERE date = make_timestamp_ms(${minuteMs})`,
  );
}

async function readAirports(connection: DuckDBConnection): Promise<Airport[]> {
  const result = await connection.runAndReadAll(
    `SELECT iata, name, nullif(city, 'NA'), nullif(state, 'NA'), country, latitude, longitude
     FROM read_csv(${quoted('airports.csv')}, header = true) ORDER BY iata`,
  );
  return result.getRows().map(([code, name, city, state, country, latitude, longitude]) => ({
    code: String(code),
    name: String(name),
    city: city === null || city === undefined ? null : String(city),
    state: state === null || state === undefined ? null : String(state),
    country: String(country),
    latitude: Number(latitude),
    longitude: Number(longitude),
  }));
}

async function scalar(connection: DuckDBConnection, sql: string): Promise<number> {
  const result = await connection.runAndReadAll(sql);
  return Number(result.getRows()[0]?.[0]);
}
