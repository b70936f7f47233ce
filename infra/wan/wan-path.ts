import { z } from 'zod';
import { MAX_DELAY_MS, MAX_PATHS } from './limits.ts';

const addressSchema = z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

const wanPathSchema = z.strictObject({
  /** The region whose processes connect. */
  from: z.string().min(1),
  /** The region that is reached. */
  to: z.string().min(1),
  /** `link`: leafnode connections of brokers; `http`: a gateway's requests to a region's service. */
  service: z.enum(['link', 'http']),
  listen: addressSchema,
  target: addressSchema,
});

/** A way from one region to one service of another: who connects, where the proxy listens, where it leads. */
export type WanPath = z.infer<typeof wanPathSchema>;

/** What a path is for. */
export type WanService = WanPath['service'];

/** One way of a path's bytes: `there` from the region that connected, `back` to it. */
export type WanDirection = 'there' | 'back';

/** How a path treats bytes, the same in both directions. */
export const pathConditionsSchema = z.strictObject({
  /** From the entry of a byte to its exit; half a round trip. */
  delayMs: z.number().min(0).max(MAX_DELAY_MS),
  /** Up to so much is added by chance, never changing the order of bytes. */
  jitterMs: z.number().min(0).max(MAX_DELAY_MS),
  /** Of all connections of the path together, each direction; null is no cap. */
  bytesPerSecond: z.number().positive().nullable(),
});

/** How a path treats bytes; see the schema. */
export type PathConditions = z.infer<typeof pathConditionsSchema>;

/** `cut`: connections are reset and refused. `black-hole`: bytes and closings vanish, connections stay open. */
const pathFaultSchema = z.enum(['none', 'cut', 'black-hole']);

/** What is wrong with a path. */
export type PathFault = z.infer<typeof pathFaultSchema>;

/** Which paths are meant; all conditions must hold. Without any: all paths. */
export const whichPathsSchema = z.strictObject({
  /** One region: every path that begins or ends there. Two: those between them, both ways. */
  regions: z.array(z.string()).max(2).exactOptional(),
  /** Only those whose connections this region opens. */
  from: z.string().exactOptional(),
  service: z.enum(['link', 'http']).exactOptional(),
});

/** Which paths are meant; see the schema. */
export type WhichPaths = z.infer<typeof whichPathsSchema>;

/** State of one path as the control API shows it. */
export const pathStateSchema = z.strictObject({
  ...wanPathSchema.shape,
  ...pathConditionsSchema.shape,
  fault: pathFaultSchema,
  connections: z.int().min(0),
  /** Bytes that entered, by direction, since the proxy's start; vanished ones count. */
  bytesThere: z.int().min(0),
  bytesBack: z.int().min(0),
  /** Connections turned away because of the bound, or because the target did not listen. */
  refusedConnections: z.int().min(0),
});

/** State of one path; see the schema. */
export type PathState = z.infer<typeof pathStateSchema>;

/** What the proxy process is told: where it is controlled, its paths, and their conditions at the start. */
export const wanConfigSchema = z.strictObject({
  control: addressSchema,
  paths: z.array(z.strictObject({ ...wanPathSchema.shape, conditions: pathConditionsSchema })).max(MAX_PATHS),
});

/** Configuration of the proxy process; see the schema. */
export type WanConfig = z.infer<typeof wanConfigSchema>;

/** True where the path is one of those meant. */
export function isMeant(path: WanPath, which: WhichPaths): boolean {
  const ends = [path.from, path.to];
  return (
    (which.regions ?? []).every(region => ends.includes(region)) &&
    (which.from === undefined || which.from === path.from) &&
    (which.service === undefined || which.service === path.service)
  );
}
