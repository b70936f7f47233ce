import { z } from 'zod';
import type { FlightPage } from './flight-source.ts';

const shiftSchema = z.strictObject({
  kind: z.literal('shift'),
  /** Positions [first, end) of the source. */
  first: z.int().min(0),
  end: z.int().min(0),
  /** Event time = when the flight left + this. */
  offsetMs: z.number(),
});
const paceSchema = z.strictObject({
  kind: z.literal('pace'),
  /** Positions from here on; the source begins anew after its end. */
  first: z.int().min(0),
  /** Event time of the first flight; each later one follows `intervalMs` after. */
  startMs: z.number(),
  intervalMs: z.number().positive(),
});

/** How flights of a stretch got their event times: moved as a whole, or let go one by one at a pace. */
export const stretchSchema = z.discriminatedUnion('kind', [shiftSchema, paceSchema]);

/** How flights of a stretch got their event times. */
export type Stretch = z.infer<typeof stretchSchema>;

/** Event times in ms of the flights of a page, of which `position` is the running number of the first (≥ `page.first`). */
export function eventTimesMs(stretch: Stretch, page: FlightPage, position: number): Float64Array {
  if (stretch.kind === 'shift') return page.leftMs.map(leftMs => leftMs + stretch.offsetMs);
  return page.leftMs.map((_, i) => eventTimeAtPaceMs(stretch, position + i));
}

/** Event time in ms of the flight with a running number, at a pace. */
export function eventTimeAtPaceMs(pace: Stretch & { kind: 'pace' }, position: number): number {
  return Math.floor(pace.startMs + (position - pace.first) * pace.intervalMs);
}

/** The offset that gives `leftMs` the event time now − publication delay, so that its created time is now. */
export function offsetToNow(leftMs: number, clock: { nowMs: number; publicationDelayMs: number }): number {
  return clock.nowMs - clock.publicationDelayMs - leftMs;
}

/** An offset for people: `9153 days 4 h 12 min`. */
export function spokenOffset(offsetMs: number): string {
  const minutes = Math.floor(Math.abs(offsetMs) / 60_000);
  const [days, hours] = [Math.floor(minutes / 1_440), Math.floor(minutes / 60) % 24];
  return `${offsetMs < 0 ? '−' : ''}${days} days ${hours} h ${minutes % 60} min`;
}
