import { request } from 'undici';
import { z } from 'zod';

const groupSchema = z.looseObject({
  id: z.string(),
  version: z.int(),
  features: z.array(z.looseObject({ name: z.string() })),
});

/** What a benchmark or a fault run needs of a feature group to find its table and decode its rows. */
export type RegionGroup = z.infer<typeof groupSchema>;

/** Asks a region for the version of a group that it writes and reads now, by `[home/]group`. Throws where it does not know it. */
export async function regionGroup(url: string, name: string): Promise<RegionGroup> {
  const answer = await request(`${url}/v1/groups/${name}`);
  return groupSchema.parse(await answer.body.json());
}
