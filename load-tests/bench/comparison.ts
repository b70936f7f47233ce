import { rounded } from './http-load.ts';
import type { BenchResult } from './results.ts';

/** Values in which more is better; in all others less is. */
const MORE_IS_BETTER = /(?:PerS|^of[A-Z]\w*)$/;
/** Values that describe a run and do not judge it. */
const NEUTRAL = /^(?:samples|askedPerS|failed|notSeen)$/;
/** Shares of a limit that was measured in the same run: what else ran on the machine slowed both. */
const SHARE = /^of[A-Z]/;
/** Changes that the same code shows from run to run on a machine that does other work as well, as shares. */
const NOISE = { share: 0.15, rate: 0.3, time: 0.75 } as const;
/** Latencies differ by this much for the scheduler's sake alone. */
const NOISE_MS = 3;

/** What a change means: beyond noise in either direction, within it, or nothing to judge. */
export type Verdict = 'better' | 'worse' | 'noise' | 'neutral';

/** One value beside the one before. */
export interface Change {
  readonly name: string;
  readonly before: number;
  readonly now: number;
  /** now ÷ before. */
  readonly ratio: number;
  readonly verdict: Verdict;
}

/** How each value changed since an earlier result of the same variant; rates are neutral where a share of a limit says the same better. */
export function changes(before: BenchResult, now: BenchResult): Change[] {
  const hasShare = Object.keys(now.values).some(
    name => SHARE.test(name) && before.values[name] !== undefined,
  );
  return Object.entries(now.values).flatMap(([name, value]) => {
    const old = before.values[name];
    if (old === undefined || old === 0) return [];
    const verdict = hasShare && name.endsWith('PerS') ? 'neutral' : verdictOf(name, old, value);
    return [{ name, before: old, now: value, ratio: rounded(value / old), verdict }];
  });
}

function verdictOf(name: string, before: number, now: number): Verdict {
  if (NEUTRAL.test(name)) return 'neutral';
  const isMore = MORE_IS_BETTER.test(name);
  const isWork = isMore || name.startsWith('cpuUs');
  const noise = SHARE.test(name) ? NOISE.share : isWork ? NOISE.rate : NOISE.time;
  const isNoise =
    Math.abs(now / before - 1) <= noise || (name.endsWith('Ms') && Math.abs(now - before) <= NOISE_MS);
  if (isNoise) return 'noise';
  return now > before === isMore ? 'better' : 'worse';
}

/** What `--compare` tells of one variant. */
export interface Comparison {
  readonly figure: string;
  readonly variant: string;
  readonly since: { readonly commit: string; readonly at: string; readonly otherMachine: boolean };
  readonly changes: readonly Change[];
}

/** A result beside the one before of the same variant. */
export function comparison(before: BenchResult, now: BenchResult): Comparison {
  const same = (['cpu', 'cores', 'node'] as const).every(name => before.machine[name] === now.machine[name]);
  return {
    figure: now.figure,
    variant: now.variant,
    since: { commit: before.commit, at: before.at, otherMachine: !same },
    changes: changes(before, now),
  };
}

/** A table for people: a line a value, changes beyond noise marked. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.flatMap(({ figure, variant, since, changes: all }) =>
    all.map(({ name, before, now, ratio, verdict }) => [
      `${figure} ${variant}`,
      name,
      `${before}`,
      `${now}`,
      ratio.toFixed(2),
      `${MARKS[verdict]}${since.otherMachine ? ' (other machine)' : ''}`.trim(),
      `${since.commit} ${since.at.slice(0, 10)}`,
    ]),
  );
  const lines = [['figure', 'value', 'before', 'now', 'ratio', '', 'since'], ...rows];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map(line => line[i]?.length ?? 0))) ?? [];
  return lines
    .map(line =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const MARKS: Readonly<Record<Verdict, string>> = { better: 'better', worse: 'WORSE', noise: '', neutral: '' };
