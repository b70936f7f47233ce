/** A broken invariant of the program itself: never an input's fault, never caught to go on. */
export class AssertionError extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = 'AssertionError';
  }
}

/** Throws an AssertionError where `condition` does not hold; on in production, so keep conditions cheap and messages free of data. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types say cannot be reached; use it as the default of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected ${typeof value}`);
}
