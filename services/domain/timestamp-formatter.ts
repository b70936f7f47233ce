import { formatDay, formatTimeOfDay, formatTimestamp } from './timestamp.ts';

const SECONDS_PER_DAY = 86_400;
const MICROS_PER_SECOND = 1_000_000;

/** Formats instants as `formatTimestamp` does, many at a time: what one answer holds is mostly of one day, often of one instant. */
export class TimestampFormatter {
  #us = 0;
  #text = '1970-01-01T00:00:00Z';
  #day = 0;
  #dayText = '1970-01-01T';

  /** The instant whose upper half (signed) and lower half (unsigned) are given, in microseconds since the Unix epoch. */
  format(high: number, low: number): string {
    const us = high * 0x1_0000_0000 + low;
    if (us === this.#us) return this.#text;
    if (!Number.isSafeInteger(us)) return formatTimestamp((BigInt(high) << 32n) | BigInt(low));
    const seconds = Math.floor(us / MICROS_PER_SECOND);
    const day = Math.floor(seconds / SECONDS_PER_DAY);
    if (day !== this.#day) {
      this.#day = day;
      this.#dayText = `${formatDay(day)}T`;
    }
    this.#us = us;
    this.#text =
      this.#dayText + formatTimeOfDay(seconds - day * SECONDS_PER_DAY, us - seconds * MICROS_PER_SECOND);
    return this.#text;
  }
}
