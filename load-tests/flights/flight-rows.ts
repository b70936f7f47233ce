import { DelayWindow } from './delay-window.ts';
import type { FlightPage } from './flight-source.ts';
import { RouteWindow } from './route-window.ts';

const HOUR_MS = 3_600_000;

/** The longest window: flights before it no longer count. */
export const LONGEST_WINDOW_MS = 24 * HOUR_MS;

/** Longitude of the Mississippi, roughly: a flight that begins west of it is written in the western region. */
const MISSISSIPPI_LONGITUDE = -90;

/** Rows of some flights for one side of the Mississippi: NDJSON for `airport_delays` and `route_delays`, one row a flight each. */
export interface SideRows {
  flights: number;
  delays: string;
  routes: string;
}

/** Rows of some flights by the side on which they began. */
export interface FlightRows {
  readonly east: SideRows;
  readonly west: SideRows;
}

/** Turns flights, given in order of departure, into rows that hold the rolling values of their airport and route. */
export class FlightRowBuilder {
  readonly #western: ReadonlySet<string>;
  readonly #publicationDelayMs: number;
  readonly #airports = new Map<string, { readonly hour: DelayWindow; readonly day: DelayWindow }>();
  readonly #routes = new Map<string, RouteWindow>();

  constructor(
    airports: readonly { readonly code: string; readonly longitude: number }[],
    publicationDelayMs: number,
  ) {
    this.#western = new Set(
      airports.filter(({ longitude }) => longitude < MISSISSIPPI_LONGITUDE).map(({ code }) => code),
    );
    this.#publicationDelayMs = publicationDelayMs;
  }

  /** Lets flights count without writing rows of them: those accepted before a restart. */
  count(page: FlightPage, timesMs: Float64Array): void {
    for (let i = 0; i < page.count; i++) this.#add(page, i, timesMs[i] ?? 0);
  }

  /** Rows of the flights of a page, whose event times are given in ms. */
  rows(page: FlightPage, timesMs: Float64Array): FlightRows {
    const east: SideRows = { flights: 0, delays: '', routes: '' };
    const west: SideRows = { flights: 0, delays: '', routes: '' };
    for (let i = 0; i < page.count; i++) {
      const timeMs = timesMs[i] ?? 0;
      const { airport, route } = this.#add(page, i, timeMs);
      const origin = page.origins[i] ?? '';
      const times = `"eventTime":"${iso(timeMs)}","createdTime":"${iso(timeMs + this.#publicationDelayMs)}"`;
      const side = this.#western.has(origin) ? west : east;
      side.flights += 1;
      side.delays += `{"key":{"airport":"${origin}"},${times},"features":{"flights_1h":${airport.hour.flights},"flights_24h":${airport.day.flights},"mean_delay_1h_min":${hundredths(airport.hour.meanMin)},"mean_delay_min":${hundredths(airport.day.meanMin)},"p90_delay_1h_min":${airport.hour.p90Min},"p90_delay_min":${airport.day.p90Min},"late_share_24h":${tenThousandths(airport.day.lateShare)}}}\n`;
      side.routes += `{"key":{"origin":"${origin}","destination":"${page.destinations[i]}"},${times},"features":{"distance_mi":${page.distancesMi[i]},"last_delay_min":${page.delaysMin[i]},"flights_counted":${route.flights},"mean_delay_last20_min":${hundredths(route.meanMin)},"late_share_last20":${tenThousandths(route.lateShare)}}}\n`;
    }
    return { east, west };
  }

  #add(page: FlightPage, i: number, timeMs: number) {
    const origin = page.origins[i] ?? '';
    const delayMin = page.delaysMin[i] ?? 0;
    const airport = getOrAdd(this.#airports, origin, () => ({
      hour: new DelayWindow(HOUR_MS),
      day: new DelayWindow(LONGEST_WINDOW_MS),
    }));
    const route = getOrAdd(this.#routes, `${origin}-${page.destinations[i]}`, () => new RouteWindow());
    airport.hour.add(timeMs, delayMin);
    airport.day.add(timeMs, delayMin);
    route.add(delayMin);
    return { airport, route };
  }
}

function getOrAdd<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const added = make();
  map.set(key, added);
  return added;
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** Rounded, so that a mean is short to send and says no more than the source, which counts whole minutes. */
function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function tenThousandths(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
