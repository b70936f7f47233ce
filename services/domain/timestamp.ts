const MICROS_PER_SECOND = 1_000_000;
const SECONDS_PER_DAY = 86_400;
/** 0000-01-01T00:00:00Z and 10000-01-01T00:00:00Z, in seconds: RFC 3339 has four digits for the year. */
const FIRST_SECOND = -62_167_219_200;
const END_SECOND = 253_402_300_800;

const TWO_DIGITS = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(2, '0'));
const THREE_DIGITS = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(3, '0'));
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/** Above every number of two digits. */
const NO_DIGITS = 100;
/** What one unit of a fraction's last digit is in microseconds, by the number of its digits. */
const FRACTION_UNITS = [0, 100_000, 10_000, 1_000, 100, 10, 1];
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Microseconds since the Unix epoch of an RFC 3339 instant with zone and at most six fractional digits.
 * Undefined where the text is malformed, has no zone, names a day that does not exist, or a leap second.
 */
export function parseTimestamp(text: string): bigint | undefined {
  const us = parseTimestampMicros(text);
  if (Number.isNaN(us)) return undefined;
  if (Number.isSafeInteger(us)) return BigInt(us);
  const zoneAt = zoneStart(text);
  return BigInt(parseSeconds(text, zoneAt)) * 1_000_000n + BigInt(parseFraction(text, zoneAt));
}

/** As `parseTimestamp`, as a Number: NaN where malformed, exact only where the result is a safe integer (years 1685 to 2255). */
export function parseTimestampMicros(text: string): number {
  const zoneAt = zoneStart(text);
  return parseSeconds(text, zoneAt) * MICROS_PER_SECOND + parseFraction(text, zoneAt);
}

/** The instant in UTC with `Z` and the shortest of no, three or six fractional digits. */
export function formatTimestamp(us: bigint): string {
  const wholeSeconds = us / 1_000_000n - (us % 1_000_000n < 0n ? 1n : 0n);
  return formatInstant(Number(wholeSeconds), Number(us - wholeSeconds * 1_000_000n));
}

/** As `formatTimestamp`, of a safe integer of microseconds; no bigint is made. */
export function formatTimestampMicros(us: number): string {
  const seconds = Math.floor(us / MICROS_PER_SECOND);
  return formatInstant(seconds, us - seconds * MICROS_PER_SECOND);
}

/** Two digits at `at` as a number, or one that no field may have. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NO_DIGITS;
}

/** Where the zone starts: 19, or after the fraction; −1 where the fraction is malformed. */
function zoneStart(text: string): number {
  if (text.charCodeAt(19) !== 0x2e) return 19;
  let at = 20;
  while (at < 27) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    at++;
  }
  return at > 20 && at < 27 ? at : -1;
}

/** Microseconds of the digits before the zone; of a text that is well-formed up to there. */
function parseFraction(text: string, zoneAt: number): number {
  let micros = 0;
  for (let at = 20; at < zoneAt; at++) micros = micros * 10 + text.charCodeAt(at) - 48;
  return zoneAt < 20 ? 0 : micros * (FRACTION_UNITS[zoneAt - 20] ?? 0);
}

/** Seconds that the zone at `at` is ahead of UTC, or NaN. */
function parseZone(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  if (sign === 0x5a || sign === 0x7a) return text.length === at + 1 ? 0 : Number.NaN;
  if ((sign !== 0x2b && sign !== 0x2d) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 0x3a)
    return Number.NaN;
  const hours = twoDigits(text, at + 1);
  const minutes = twoDigits(text, at + 4);
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (sign === 0x2b ? 1 : -1) * (hours * 3600 + minutes * 60);
}

/** Whole seconds since the Unix epoch, rounded down; NaN where the text is malformed. */
function parseSeconds(text: string, zoneAt: number): number {
  // Whole numbers only from here on: a character that is not there would be NaN, and slow all of it.
  if (zoneAt < 0 || text.length < 20) return Number.NaN;
  const century = twoDigits(text, 0);
  const yearOfCentury = twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const separator = text.charCodeAt(10);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  const shaped =
    text.charCodeAt(4) === 0x2d &&
    text.charCodeAt(7) === 0x2d &&
    (separator === 0x54 || separator === 0x74) &&
    text.charCodeAt(13) === 0x3a &&
    text.charCodeAt(16) === 0x3a;
  const inRange =
    century < NO_DIGITS &&
    yearOfCentury < NO_DIGITS &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59;
  if (!shaped || !inRange) return Number.NaN;
  const year = century * 100 + yearOfCentury;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > (DAYS_IN_MONTH[month - 1] ?? 0) + (leap && month === 2 ? 1 : 0)) return Number.NaN;
  const years = year - 1;
  const daysBeforeYear =
    year * 365 + (year === 0 ? 0 : 1 + (years >> 2) - ((years / 100) | 0) + ((years / 400) | 0));
  const days = daysBeforeYear + (DAYS_BEFORE_MONTH[month - 1] ?? 0) + (leap && month > 2 ? 1 : 0) + day - 1;
  const seconds =
    FIRST_SECOND + days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - parseZone(text, zoneAt);
  return seconds >= FIRST_SECOND && seconds < END_SECOND ? seconds : Number.NaN;
}

function formatInstant(seconds: number, micros: number): string {
  const day = Math.floor(seconds / SECONDS_PER_DAY);
  return `${formatDay(day)}T${formatTimeOfDay(seconds - day * SECONDS_PER_DAY, micros)}`;
}

/** `2024-05-06` of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`: eras of 400 years that begin on 1 March. */
export function formatDay(day: number): string {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${formatYear(year)}-${TWO_DIGITS[month]}-${TWO_DIGITS[dayOfMonth]}`;
}

/** `07:08:09.123Z` of whole seconds within a day and microseconds within a second. */
export function formatTimeOfDay(secondOfDay: number, micros: number): string {
  const hour = Math.floor(secondOfDay / 3600);
  const minute = Math.floor((secondOfDay - hour * 3600) / 60);
  return `${TWO_DIGITS[hour]}:${TWO_DIGITS[minute]}:${TWO_DIGITS[secondOfDay % 60]}${formatFraction(micros)}Z`;
}

/** Four digits; outside 0 to 9999, which no parsed input reaches, ISO 8601's signed six. */
function formatYear(year: number): string {
  if (year >= 1000 && year <= 9999) return `${year}`;
  if (year >= 0 && year < 1000) return `${year}`.padStart(4, '0');
  return `${year < 0 ? '-' : '+'}${`${Math.abs(year)}`.padStart(6, '0')}`;
}

function formatFraction(micros: number): string {
  if (micros === 0) return '';
  const millis = Math.floor(micros / 1000);
  const rest = micros % 1000;
  return rest === 0 ? `.${THREE_DIGITS[millis]}` : `.${THREE_DIGITS[millis]}${THREE_DIGITS[rest]}`;
}
