/** A region's name: `[a-z0-9-]{1,24}`. The unit of residency and of failure. */
export type RegionId = string & { readonly __brand: 'RegionId' };

/** Longest region id in bytes; the packed row reserves exactly this much (architecture A3). */
export const REGION_ID_BYTES = 24;

const PATTERN = /^[a-z0-9-]{1,24}$/;

/** True where `text` is a well-formed region id. */
export function isRegionId(text: string): text is RegionId {
  return PATTERN.test(text);
}

/** The text as a region id; throws on a malformed one, so use it only where the text was parsed already. */
export function regionId(text: string): RegionId {
  if (!isRegionId(text)) throw new TypeError(`not a region id: ${JSON.stringify(text)}`);
  return text;
}
