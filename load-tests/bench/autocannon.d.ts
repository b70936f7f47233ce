/** The part of autocannon that is used here; the library carries no types of its own. */
declare module 'autocannon' {
  interface Request {
    readonly method?: 'POST';
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  }
  interface Options {
    readonly url: string;
    readonly connections: number;
    readonly duration: number;
    readonly timeout?: number;
    readonly requests: readonly Request[];
  }
  interface Result {
    /** Whole milliseconds. */
    readonly latency: {
      readonly p50: number;
      readonly p90: number;
      readonly p99: number;
      readonly max: number;
    };
    readonly requests: { readonly total: number };
    /** Seconds. */
    readonly duration: number;
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
    readonly '2xx': number;
  }
  /** Sends requests from connections that each wait for the answer before the next. */
  export default function autocannon(options: Options): Promise<Result>;
}
