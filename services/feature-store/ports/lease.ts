import { MAX_CLOCK_SKEW_MS } from '@featuremesh/domain/limits';
import type { LeaseRequest } from './online-store.ts';

/**
 * Whether a stored lease of another holder keeps out who asks at `nowMs` for one until `untilMs`. One that ends later than any that could
 * be given now, clocks differing by the permitted skew, was taken by a clock that was wrong: believing it would leave nobody able to
 * write for as long as that clock was ahead. Taking it is safe, as the epoch fences its holder.
 */
export function leaseKeepsOut(
  current: { readonly untilMs: number },
  asked: Pick<LeaseRequest, 'nowMs' | 'untilMs'>,
): boolean {
  return current.untilMs > asked.nowMs && current.untilMs <= asked.untilMs + MAX_CLOCK_SKEW_MS;
}
