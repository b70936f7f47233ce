import type { CompiledPolicy } from '../policy-compiler/compile.ts';

/** The broker's configuration, of which the sync agent is the only writer. */
export interface Broker {
  /**
   * Makes the broker enforce what was compiled: FEED's and OUT's subject lists and what relays may publish. Resolves when it is in
   * force; idempotent. Narrowing comes before widening, so that nothing is permitted in between that neither state permits.
   */
  enforce(policy: CompiledPolicy): Promise<void>;
}
