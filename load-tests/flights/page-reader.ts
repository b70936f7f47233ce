import type { FlightPage, FlightSource } from './flight-source.ts';

/** Flights read from the source at once: a scan of the file costs the same for few as for many. About 10 MB. */
const PAGE_FLIGHTS = 51_200;

/** Reads flights by running number, which goes on after the last flight with the first one again; keeps one page at hand. */
export class PageReader {
  readonly #source: FlightSource;
  #page: FlightPage | undefined;

  constructor(source: FlightSource) {
    this.#source = source;
  }

  /** At least one and at most `count` flights from a running number on. */
  async read(position: number, count: number): Promise<FlightPage> {
    const first = position % this.#source.total;
    let page = this.#page;
    if (page === undefined || first < page.first || first >= page.first + page.count) {
      page = await this.#source.page(first, PAGE_FLIGHTS);
      this.#page = page;
    }
    const from = first - page.first;
    return slice(page, from, Math.min(from + count, page.count));
  }
}

function slice(page: FlightPage, from: number, to: number): FlightPage {
  return {
    first: page.first + from,
    count: to - from,
    leftMs: page.leftMs.subarray(from, to),
    delaysMin: page.delaysMin.subarray(from, to),
    distancesMi: page.distancesMi.subarray(from, to),
    origins: page.origins.slice(from, to),
    destinations: page.destinations.slice(from, to),
  };
}
