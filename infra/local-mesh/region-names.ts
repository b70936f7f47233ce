/** A region of the local mesh: id, whose law applies, where it is meant to be. */
export interface LocalRegion {
  readonly id: string;
  readonly jurisdiction: string;
  readonly location: string;
}

/** The first three carry the demo; the others are there to be joined. */
export const LOCAL_REGIONS: readonly LocalRegion[] = [
  { id: 'us-east-1', jurisdiction: 'US', location: 'Northern Virginia' },
  { id: 'us-west-2', jurisdiction: 'US', location: 'Oregon' },
  { id: 'eu-west-1', jurisdiction: 'EU', location: 'Ireland' },
  { id: 'ap-south-1', jurisdiction: 'IN', location: 'Mumbai' },
  { id: 'sa-east-1', jurisdiction: 'BR', location: 'Sao Paulo' },
  { id: 'ap-northeast-1', jurisdiction: 'JP', location: 'Tokyo' },
  { id: 'ca-central-1', jurisdiction: 'CA', location: 'Montreal' },
  { id: 'eu-central-1', jurisdiction: 'EU', location: 'Frankfurt' },
  { id: 'ap-southeast-2', jurisdiction: 'AU', location: 'Sydney' },
  { id: 'af-south-1', jurisdiction: 'ZA', location: 'Cape Town' },
];

/** Regions that the demo's definitions name. */
export const DEMO_REGION_COUNT = 3;
