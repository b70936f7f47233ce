import { policies } from 'cassandra-driver';

type Base = policies.retry.RetryPolicy;
type OnUnavailable = Base['onUnavailable'];

/** Nodes that one statement is asked of at the most, one after the other. */
const MAX_NODES = 6;

/**
 * A node that says that too few replicas are up did not do anything, and may be wrong, since it has just returned or does not know yet who has:
 * the next one is asked, a fallback in the end. The driver asks one more only.
 */
export class NextNodePolicy extends policies.retry.RetryPolicy {
  override onUnavailable(...[info, ...rest]: Parameters<OnUnavailable>): ReturnType<OnUnavailable> {
    const isLast = info.nbRetry >= MAX_NODES - 1;
    return isLast ? this.rethrowResult() : super.onUnavailable({ ...info, nbRetry: 0 }, ...rest);
  }
}
