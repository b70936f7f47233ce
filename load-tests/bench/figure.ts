import type { Mesh } from '../mesh/mesh-regions.ts';

/** What a figure is measured with. */
export interface BenchContext {
  readonly mesh: Mesh;
  /** Folder of the running mesh. */
  readonly dataDir: string;
  /** Length of one measurement. */
  readonly seconds: number;
  /** Aborts when the person ends the run, or when the figure takes longer than its bound. */
  readonly signal: AbortSignal;
  /** Tells the person who waits what is going on. */
  readonly say: (text: string) => void;
}

/** One measured line. */
export interface Measurement {
  /** What was varied, for instance `gateway-graphql/floats/closed-8`; with the figure's name it identifies the line. */
  readonly variant: string;
  /** Units are in the names. `ofEcho` and `ofLimit` are shares of what stands beside the figure, measured in the same run. */
  readonly values: Readonly<Record<string, number>>;
  /** The same requests against a bare Fastify server that parses and answers JSON of the same sizes, in the same run. */
  readonly echo?: Readonly<Record<string, number>>;
  /** Another bound that no implementation passes, measured in the same run; the note says which. */
  readonly limit?: Readonly<Record<string, number>>;
  readonly note?: string;
}

/** A figure that `npm run bench` can measure. */
export interface Figure {
  readonly name: string;
  /** What it measures, in a line. */
  readonly about: string;
  /** Whether a mesh must run already. */
  readonly needsMesh: boolean;
  /** How many measurements of `seconds` it makes at the most, all beside them included: beyond that it is ended. */
  readonly maxMeasurements: number;
  run(context: BenchContext): AsyncGenerator<Measurement>;
}
