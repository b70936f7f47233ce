import type { GroupPlacement } from './placement.ts';
import type { Visibility } from './policy.ts';
import type { RegionId } from './region-id.ts';

/**
 * How much of a group `receiver` may know: all in its home and wherever its rows may be, elsewhere what policy says. Of a hidden group
 * a region that is allowed rows, but holds none, knows the id: it may come to hold them, and must refuse them until then.
 */
export function visibilityTo(
  { allowed, placement, visibility }: Pick<GroupPlacement, 'allowed' | 'placement' | 'visibility'>,
  home: RegionId,
  receiver: RegionId,
): Visibility {
  if (receiver === home || placement.includes(receiver)) return 'full';
  return visibility === 'hidden' && allowed.includes(receiver) ? 'opaque' : visibility;
}
