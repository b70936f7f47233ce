import { ProblemError, problem } from '@featuremesh/domain/problem';
import { expect, test } from 'vitest';
import { ApplyWindow } from './apply-window.ts';
import { MAX_ROWS_APPLYING } from './cassandra-options.ts';

/** Steps that end when told, and how each ended. */
class Steps {
  readonly begun: number[] = [];
  readonly outcomes = new Map<number, string>();
  readonly #window = new ApplyWindow();
  readonly #ends = new Map<number, (error?: Error) => void>();
  #issued = 0;

  issue(rows: number): void {
    const step = this.#issued;
    this.#issued += 1;
    const work = (): Promise<void> => {
      this.begun.push(step);
      return new Promise((resolve, reject) =>
        this.#ends.set(step, error => (error === undefined ? resolve() : reject(error))),
      );
    };
    void this.#window.run(rows, work).then(
      () => this.outcomes.set(step, 'applied'),
      (error: unknown) =>
        this.outcomes.set(step, error instanceof ProblemError ? error.problem.code : 'failed'),
    );
  }

  async end(step: number, error?: Error): Promise<void> {
    this.#ends.get(step)?.(error);
    await new Promise(resolve => setImmediate(resolve));
  }
}

const HALF = MAX_ROWS_APPLYING / 2;

test('as many steps as fit run at once, the next as soon as there is room, none before one issued earlier', async () => {
  const steps = new Steps();
  for (const rows of [HALF, HALF, HALF + 1, 1]) steps.issue(rows);
  expect(steps.begun).toEqual([0, 1]);
  await steps.end(1);
  // The small one would fit, and waits for the one before it.
  expect(steps.begun).toEqual([0, 1]);
  await steps.end(0);
  expect(steps.begun).toEqual([0, 1, 2, 3]);
  await steps.end(2);
  await steps.end(3);
  expect([...steps.outcomes.values()]).toEqual(['applied', 'applied', 'applied', 'applied']);
});

test('a step that is larger than what fits goes alone', async () => {
  const steps = new Steps();
  steps.issue(MAX_ROWS_APPLYING * 3);
  steps.issue(1);
  expect(steps.begun).toEqual([0]);
  await steps.end(0);
  expect(steps.begun).toEqual([0, 1]);
});

test('where the store does not answer those that wait fail with it, and others are taken afterwards', async () => {
  const steps = new Steps();
  for (const rows of [HALF, HALF, HALF, HALF]) steps.issue(rows);
  await steps.end(0, new ProblemError(problem('STORE_UNAVAILABLE', 'the deadline passed')));
  expect([...steps.outcomes]).toEqual([
    [0, 'STORE_UNAVAILABLE'],
    [2, 'STORE_UNAVAILABLE'],
    [3, 'STORE_UNAVAILABLE'],
  ]);
  steps.issue(HALF);
  expect(steps.begun).toEqual([0, 1, 4]);
});

test('a step whose lease is lost fails alone: those that wait may be under another', async () => {
  const steps = new Steps();
  for (const rows of [MAX_ROWS_APPLYING, 1]) steps.issue(rows);
  await steps.end(0, new ProblemError(problem('STALE_LEASE', 'the lease is another’s')));
  expect([...steps.outcomes]).toEqual([[0, 'STALE_LEASE']]);
  expect(steps.begun).toEqual([0, 1]);
});
