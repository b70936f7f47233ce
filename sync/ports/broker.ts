import type { CompiledPolicy } from '../policy-compiler/compiled-policy.ts';

/** What a change of permissions took away from one link. */
export interface LinkChange {
  readonly peer: string;
  /** Groups that OUT still holds batches of though they are no longer permitted: to be withdrawn by the exporter. */
  readonly withdrawn: readonly string[];
}

/** The region's own broker as the sync agent configures it; nobody else does. Calls are idempotent and reject where the broker does not answer. */
export interface BrokerAdmin {
  /** Takes away what the policy no longer permits: relay permissions, OUT's and FEED's subject lists, held batches. */
  tighten(policy: CompiledPolicy): Promise<readonly LinkChange[]>;
  /** Grants what the policy permits, from the log outwards; creates streams and durables. Call `tighten` first. */
  enforce(policy: CompiledPolicy): Promise<void>;
}
