import { z } from 'zod';

/*
 * How the launcher and the demo loader (load-tests/flights/main.ts) speak.
 *
 * The launcher runs, once definitions and policies are in force:
 *   node load-tests/flights/main.ts --mesh FILE --rows N --state FOLDER
 * FILE has the shape of mesh.json (it stands elsewhere, because mesh.json says that the mesh is ready); FOLDER is the loader's
 * own, kept between starts, so that a second start knows what is loaded. Standard output carries one JSON object a line, as
 * below; standard error is for people and goes to the log. It ends on SIGTERM, and when its IPC channel closes.
 * Events come in this order; `progress` comes at most five times a second, `offset` at any time after it is known.
 */

const progressSchema = z.object({
  event: z.literal('progress'),
  /** Flights sent and acknowledged so far, of how many, and the present rate. */
  rows: z.number(),
  totalRows: z.number(),
  rowsPerS: z.number(),
  /** What is being loaded, in words: `airport profiles`, `flights`. */
  phase: z.string(),
});

/** One line of the loader. */
export const loaderEventSchema = z.discriminatedUnion('event', [
  progressSchema,
  /** By how much event times were shifted, for people: `event times are shifted by 9153 days 4 h`. */
  z.object({ event: z.literal('offset'), text: z.string() }),
  /** `airport_profile` and the first 20,000 flights are readable. */
  z.object({ event: z.literal('ready') }),
  /** Everything is loaded; more figures may ride along. */
  z.looseObject({
    event: z.literal('loaded'),
    /** Flights read; each makes rows of two groups. */
    flights: z.number(),
    /** Feature rows accepted, and per second. */
    rows: z.number(),
    seconds: z.number(),
    rowsPerS: z.number(),
  }),
  /** From now on the following flights stream in as if they departed now. */
  z.looseObject({ event: z.literal('streaming') }),
  /** Something that a person should know. */
  z.object({ event: z.literal('note'), text: z.string() }),
]);

/** What the loader reports. */
export type LoaderEvent = z.infer<typeof loaderEventSchema>;

/** Flights of the demo loaded so far. */
export type LoaderProgress = z.infer<typeof progressSchema>;
