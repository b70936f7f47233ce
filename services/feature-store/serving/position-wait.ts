import { parsePosition } from '@featuremesh/domain/position';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { OnlineStore } from '../ports/online-store.ts';

/** Longest wait for a position: below the gateway's deadline for a region, so that the answer says why. */
const POSITION_WAIT_MS = 1_500;

/** Least and longest pause between looks at the applied position; in between a tenth of the wait so far, as a look may cost a statement. */
const POSITION_POLL_MS = { least: 2, most: 50 } as const;

/** What waiting needs. */
export interface PositionWaitOptions {
  readonly store: Pick<OnlineStore, 'appliedPosition'>;
  readonly clock: MonotonicClock;
  readonly timer: Timer;
}

/**
 * Resolves as undefined once the write named by `token` is applied here (V6), else with INVALID_POSITION, or with
 * POSITION_NOT_REACHED after `POSITION_WAIT_MS`. A token of another group asks nothing of this one.
 */
export async function waitForPosition(
  token: string,
  groupId: string,
  { store, clock, timer }: PositionWaitOptions,
): Promise<Problem | undefined> {
  const position = parsePosition(token);
  if (position === undefined) return problem('INVALID_POSITION', 'the token in `after` is not a position');
  if (position.groupId !== groupId) return undefined;
  const startMs = clock.monotonicMs();
  while ((await store.appliedPosition(position)) < position.sequence) {
    const waitedMs = clock.monotonicMs() - startMs;
    if (waitedMs >= POSITION_WAIT_MS)
      return problem(
        'POSITION_NOT_REACHED',
        `the write from ${position.origin} is not applied here after ${POSITION_WAIT_MS} ms`,
        { extra: { origin: position.origin, retryAfterMs: POSITION_WAIT_MS } },
      );
    await timer.sleep(Math.min(POSITION_POLL_MS.most, Math.max(POSITION_POLL_MS.least, waitedMs / 10)));
  }
  return undefined;
}
