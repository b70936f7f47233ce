/**
 * Which way is best was measured with read-strategies.bench.ts, two nodes and the callers on two cores. One statement for several keys costs
 * the least work, and wins whenever there is other work. Only a slate of middling size on an idle process is answered sooner by single
 * reads, which the replica works on side by side: 51 keys in 2.8 ms instead of 5.0 (p50); with four callers it is 10.5 against 6.1.
 */
const SINGLES_FROM_KEYS = 16;
const SINGLES_BELOW_KEYS = 100;

/** Statements in flight from which a process is not idle: less than one slate of a feed. */
export const BUSY_STATEMENTS = 32;

/** Keys of one statement: what one coordinator reads for it at once. */
const MAX_KEYS_PER_STATEMENT = 100;

/** How the keys of one read are asked for. */
export type SlatePlan =
  | { readonly kind: 'singles'; readonly keys: readonly Buffer[] }
  | { readonly kind: 'grouped'; readonly parts: readonly (readonly Buffer[])[] };

/** The kind of plan for a number of keys, on a process with so many statements in flight. */
export function slateKind(keys: number, statementsInFlight: number): SlatePlan['kind'] {
  if (keys === 1) return 'singles';
  const isMiddling = keys >= SINGLES_FROM_KEYS && keys < SINGLES_BELOW_KEYS;
  return isMiddling && statementsInFlight < BUSY_STATEMENTS ? 'singles' : 'grouped';
}

/** Single reads go to their replicas one by one; groups hold the keys of one replica, each once, in statements of bounded size. */
export function planSlate(
  kind: SlatePlan['kind'],
  keys: readonly Buffer[],
  replicasOf: (key: Buffer) => readonly string[],
): SlatePlan {
  if (kind === 'singles') return { kind, keys };
  const parts: Buffer[][] = [];
  const open = new Map<string, Buffer[]>();
  const seen = new Set<string>();
  for (const key of keys) {
    const id = key.toString('latin1');
    if (seen.has(id)) continue;
    seen.add(id);
    const replica = replicasOf(key)[0] ?? '';
    let part = open.get(replica);
    if (part === undefined || part.length >= MAX_KEYS_PER_STATEMENT) {
      part = [];
      open.set(replica, part);
      parts.push(part);
    }
    part.push(key);
  }
  return { kind: 'grouped', parts };
}
