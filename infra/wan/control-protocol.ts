import { z } from 'zod';
import { pathConditionsSchema, pathStateSchema, whichPathsSchema } from './wan-path.ts';

/*
 * How the proxy process is controlled, on loopback: GET /v1/paths shows, POST /v1/change changes; both answer the paths' state.
 * Only JSON from a loopback Host is taken, so that a page in a browser cannot cut links. GET /health/ready answers 200.
 */

/** What can be done to paths. */
export const wanChangeSchema = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal('set'),
    which: whichPathsSchema,
    conditions: z.strictObject({
      delayMs: pathConditionsSchema.shape.delayMs.exactOptional(),
      jitterMs: pathConditionsSchema.shape.jitterMs.exactOptional(),
      bytesPerSecond: pathConditionsSchema.shape.bytesPerSecond.exactOptional(),
    }),
  }),
  z.strictObject({ action: z.enum(['cut', 'black-hole', 'heal']), which: whichPathsSchema }),
]);

/** A change of the network between regions; see the schema. */
export type WanChange = z.infer<typeof wanChangeSchema>;

/** What both calls answer. */
export const wanStateSchema = z.strictObject({ paths: z.array(pathStateSchema) });
