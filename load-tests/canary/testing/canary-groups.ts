import type { Whereabouts } from './secret-rows.ts';

/** The regions of the test mesh; the first two share a jurisdiction. */
export const [EAST, WEST, EUROPE] = ['us-east-1', 'us-west-2', 'eu-west-1'] as const;
/** A region of the test mesh. */
export type CanaryRegionId = typeof EAST | typeof WEST | typeof EUROPE;
/** All of them. */
export const CANARY_REGIONS: readonly CanaryRegionId[] = [EAST, WEST, EUROPE];

/** Who may write a group, where its rows may then be, and what its keys are. */
export interface CanaryGroup {
  readonly writers: readonly CanaryRegionId[];
  readonly where: (origin: CanaryRegionId) => Whereabouts;
  readonly secret: Readonly<Record<string, 'string' | 'int64' | 'bytes'>>;
  readonly fixed: (origin: CanaryRegionId) => Readonly<Record<string, unknown>>;
}

/** Groups of the test mesh: the test says by hand where their rows may be and does not ask the product. */
export type CanaryGroupName = 'orders' | 'persons' | 'secrets' | 'advice';

/** One group of each shape that keeps rows at home, and one that shares them with one of two peers. */
export const CANARY_GROUPS: Readonly<Record<CanaryGroupName, CanaryGroup>> = {
  /** In two of three regions. */
  orders: {
    writers: [EAST, WEST],
    where: () => ({ placement: [EAST, WEST], gateways: [EAST, WEST] }),
    secret: { number: 'int64', digest: 'bytes' },
    fixed: () => ({}),
  },
  /** Everywhere defined, each row at home. */
  persons: {
    writers: CANARY_REGIONS,
    where: origin => ({ placement: [origin], gateways: [origin] }),
    secret: { person: 'string' },
    fixed: origin => ({ residence: origin }),
  },
  /** Pinned: no policy at all. */
  secrets: {
    writers: [EAST],
    where: () => ({ placement: [EAST], gateways: [EAST] }),
    secret: { item: 'string', number: 'int64' },
    fixed: () => ({}),
  },
  /** Pinned, but the other US gateway may hand it out. */
  advice: {
    writers: [EAST],
    where: () => ({ placement: [EAST], gateways: [EAST, WEST] }),
    secret: { item: 'string' },
    fixed: () => ({}),
  },
};

/** Their names. */
export const CANARY_GROUP_NAMES = Object.keys(CANARY_GROUPS) as readonly CanaryGroupName[];
