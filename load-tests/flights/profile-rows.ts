import type { SeededRandom } from '@featuremesh/runtime/random';
import type { Airport } from './flight-source.ts';

/** Rows of `airport_profile` as NDJSON, all with one event time. */
export function airportProfileRows(airports: readonly Airport[], eventTimeMs: number): string {
  const eventTime = new Date(eventTimeMs).toISOString();
  return airports
    .map(({ code, name, city, state, country, latitude, longitude }) => {
      const features = {
        name,
        city,
        state,
        country,
        latitude,
        longitude,
        place_vector: placeVector(latitude, longitude),
      };
      return `${JSON.stringify({ key: { airport: code }, eventTime, features })}\n`;
    })
    .join('');
}

/** Unit vector from the centre of the earth: x to 0° 0°, y to 0° 90° E, z to the north pole. */
function placeVector(latitude: number, longitude: number): [number, number, number] {
  const [north, east] = [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180];
  return [Math.cos(north) * Math.cos(east), Math.cos(north) * Math.sin(east), Math.sin(north)];
}

/** Travellers of a region in the demo. */
export const TRAVELLERS_PER_REGION = 5_000;

/**
 * Rows of `traveller_profile` as NDJSON for the residents of one region: traveller `t-<n>` for n = ordinal + 1, ordinal + 1 + regions, …
 * so that `t-1`, `t-2`, `t-3` reside in the first, second and third region. Invented from the seed; nobody stands behind them.
 */
export function travellerRows(options: {
  readonly region: { readonly id: string; readonly ordinal: number };
  readonly regions: number;
  readonly random: SeededRandom;
  readonly airports: readonly string[];
  readonly eventTimeMs: number;
}): string {
  const { region, regions, random, airports } = options;
  const eventTime = new Date(options.eventTimeMs).toISOString();
  const lines: string[] = [];
  for (let i = 0; i < TRAVELLERS_PER_REGION; i++) {
    const traveller = `t-${region.ordinal + 1 + i * regions}`;
    const trips = 1 + Math.floor(-12 * Math.log(1 - random.float()));
    const [economy, business, first] = [1, random.float() * 0.6, random.float() * 0.2];
    const whole = economy + business + first;
    const features = {
      tier: trips >= 40 ? 'gold' : trips >= 15 ? 'silver' : 'basic',
      trips_365d: trips,
      mean_layover_min: random.int(4) === 0 ? null : 35 + random.int(150),
      preferred_airport: airports[random.int(airports.length)] ?? '',
      cabin_shares: [economy / whole, business / whole, first / whole],
    };
    lines.push(`${JSON.stringify({ key: { traveller, residence: region.id }, eventTime, features })}\n`);
  }
  return lines.join('');
}
