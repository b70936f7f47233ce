const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Longest duration that definitions may name: about 270 years, safe in every sum of milliseconds. */
const MAX_DURATION_MS = 100_000 * UNIT_MS.d;

/** Milliseconds of a duration such as `500ms`, `30s`, `15m`, `36h`, `400d`; undefined where the text is none, or zero, or too long. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const unit = match?.[2];
  if (unit === undefined || !(unit in UNIT_MS)) return undefined;
  const durationMs = Number(match?.[1]) * UNIT_MS[unit as keyof typeof UNIT_MS];
  return durationMs > 0 && durationMs <= MAX_DURATION_MS ? durationMs : undefined;
}

/** The shortest written form of whole milliseconds; the inverse of `parseDuration`. */
export function formatDuration(durationMs: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (durationMs % UNIT_MS[unit] === 0) return `${durationMs / UNIT_MS[unit]}${unit}`;
  }
  return `${durationMs}ms`;
}
