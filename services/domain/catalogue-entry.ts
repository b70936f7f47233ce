import type { CatalogueGroup, CatalogueService } from './feature-group.ts';
import type { CatalogueEntity, RegionInfo } from './mesh-state.ts';
import type { PolicyRecord } from './policy.ts';

/** What one region tells all others about one thing; idempotent, ordered per home by `sequence`. */
export type CatalogueEntry =
  | { readonly kind: 'region'; readonly home: string; readonly sequence: number; readonly region: RegionInfo }
  | {
      readonly kind: 'entity';
      readonly home: string;
      readonly sequence: number;
      readonly entity: CatalogueEntity;
    }
  | {
      readonly kind: 'group';
      readonly home: string;
      readonly sequence: number;
      readonly group: CatalogueGroup;
    }
  | {
      readonly kind: 'service';
      readonly home: string;
      readonly sequence: number;
      readonly service: CatalogueService;
    }
  | {
      readonly kind: 'policy';
      readonly home: string;
      readonly sequence: number;
      readonly policy: PolicyRecord;
    };
