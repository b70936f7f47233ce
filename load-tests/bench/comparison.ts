import type { BenchResult } from './results.ts';

/** Values in which more is better; in all others less is. */
const MORE_IS_BETTER = /PerS$/;
/** Values that describe a run and do not judge it. */
const NEUTRAL = /^(samples|askedPerS|failed|notSeen)$/;

/** One value beside the one before: `better` is undefined where the value does not judge or did not change. */
export interface Change {
  readonly name: string;
  readonly before: number;
  readonly now: number;
  readonly percent: number;
  readonly better: boolean | undefined;
}

/** How each value changed since an earlier result of the same variant. */
export function changes(before: BenchResult, now: BenchResult): Change[] {
  return Object.entries(now.values).flatMap(([name, value]) => {
    const old = before.values[name];
    if (old === undefined || old === 0) return [];
    const percent = Math.round((value / old - 1) * 1_000) / 10;
    const judged = !NEUTRAL.test(name) && percent !== 0;
    return [
      {
        name,
        before: old,
        now: value,
        percent,
        better: judged ? percent > 0 === MORE_IS_BETTER.test(name) : undefined,
      },
    ];
  });
}

/** A line for people; names another machine where the results are of two. */
export function changeLine(before: BenchResult, now: BenchResult): string {
  const parts = changes(before, now).map(({ name, before: old, now: value, percent, better }) => {
    const sign = percent > 0 ? '+' : '';
    const word = better === undefined ? '' : better ? ' better' : ' worse';
    return `${name} ${old} → ${value} (${sign}${percent} %${word})`;
  });
  const same = before.machine.cpu === now.machine.cpu && before.machine.cores === now.machine.cores;
  const other = same
    ? ''
    : `; measured then on another machine: ${before.machine.cores} × ${before.machine.cpu}`;
  return `since ${before.commit} of ${before.at.slice(0, 10)}: ${parts.join(', ')}${other}`;
}
