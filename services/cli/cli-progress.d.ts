/** The part of cli-progress that is used here; the library carries no types of its own. */
declare module 'cli-progress' {
  interface BarOptions {
    readonly format?: string;
    readonly hideCursor?: boolean;
    readonly clearOnComplete?: boolean;
    readonly stopOnComplete?: boolean;
    readonly stream?: NodeJS.WritableStream;
    readonly fps?: number;
  }
  /** One progress bar. */
  export class SingleBar {
    constructor(options: BarOptions);
    start(total: number, startValue: number, payload?: Readonly<Record<string, unknown>>): void;
    update(value: number, payload?: Readonly<Record<string, unknown>>): void;
    setTotal(total: number): void;
    stop(): void;
  }
}
