/** From this many distinct keys on, keys are asked for by replica; below, one by one. */
export const GROUPED_FROM_KEYS = 1_000_000;
/** Keys of one statement: what one coordinator reads for it at once. */
const MAX_KEYS_PER_STATEMENT = 100;

/** How the keys of one read are asked for. */
export type SlatePlan =
  | { readonly kind: 'singles'; readonly keys: readonly Buffer[] }
  | { readonly kind: 'grouped'; readonly parts: readonly (readonly Buffer[])[] };

/** Few keys go out as one statement each, in parallel, to their replicas; many are grouped by the replica that holds them. */
export function planSlate(
  keys: readonly Buffer[],
  replicasOf: (key: Buffer) => readonly string[],
  groupedFrom: number,
): SlatePlan {
  if (keys.length < groupedFrom) return { kind: 'singles', keys };
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
