import { type RawKey, type RawStore, READ_PLANS, type ReadPlan } from '../adapters/cassandra/raw-store.ts';
import { type LoadShape, openLoopValues, rounded } from './http-load.ts';
import { workAtRate } from './open-loop.ts';
import { processorUs } from './process-cpu.ts';

/** Keys of slates, in the order in which they are read. */
export type RawSlates = readonly (readonly RawKey[])[];

/** How work is done; `pids` are the processes whose processor time is told, all their idle work included. */
export interface Shaped {
  readonly shape: LoadShape;
  readonly seconds: number;
  readonly pids?: readonly number[];
}

/** What the driver reached by its best plan, and by each. */
export interface RawValues {
  readonly plan: ReadPlan;
  readonly values: Record<string, number>;
  readonly byPlan: Readonly<Record<string, Record<string, number>>>;
}

/** Reads slates with the bare driver by every plan, in the shape given; the best is the one with the lowest median, which a caller waits for. */
export async function rawShapes(
  raw: RawStore,
  slates: RawSlates,
  how: Shaped & { readonly plans?: readonly ReadPlan[] },
): Promise<RawValues> {
  const byPlan: Record<string, Record<string, number>> = {};
  let best: { plan: ReadPlan; values: Record<string, number> } | undefined;
  for (const plan of how.plans ?? READ_PLANS) {
    const read = async (index: number): Promise<boolean> => {
      const keys = slates[index % slates.length] ?? [];
      return (await raw.read(keys, plan)) === keys.length;
    };
    const values = await shapedWork(read, how);
    byPlan[plan] = values;
    if (best === undefined || (values['p50Ms'] ?? 0) < (best.values['p50Ms'] ?? 0)) best = { plan, values };
  }
  if (best === undefined) throw new Error('there is no plan to read by');
  return { ...best, byPlan };
}

/** Rounds as one: the median of each value; failures are those of all. */
export function medianOf(rounds: readonly Record<string, number>[]): Record<string, number> {
  const [first = {}] = rounds;
  const values = Object.keys(first).map(name => [name, median(rounds.map(round => round[name] ?? 0))]);
  return {
    ...Object.fromEntries(values),
    failed: rounds.reduce((sum, { failed = 0 }) => sum + failed, 0),
  };
}

/** Median of the shares that a value has in its own round's, so that what disturbs a round disturbs both. */
export function medianShare(
  rounds: readonly { readonly of: Record<string, number>; readonly limit: Record<string, number> }[],
  value: string,
): number {
  return median(rounds.map(({ of, limit }) => (of[value] ?? 0) / (limit[value] || 1)));
}

/** The middle one, of an even number the upper; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return rounded(sorted[sorted.length >> 1] ?? 0);
}

/** Slates of another number of keys, made of the articles of those given. */
export function slatesOfSize(slates: RawSlates, size: number): RawSlates {
  return slates.map((_, at) => {
    const keys = new Map<string, RawKey>();
    for (let i = 0; keys.size < size && i < slates.length; i++)
      for (const each of slates[(at + i) % slates.length] ?? [])
        if (keys.size < size) keys.set(`${each.table} ${each.key.toString('latin1')}`, each);
    return [...keys.values()];
  });
}

/** Does pieces of work in a shape; latencies are finer than autocannon's, which are whole milliseconds. */
export async function shapedWork(
  work: (index: number) => Promise<boolean>,
  { shape, seconds, pids = [] }: Shaped,
): Promise<Record<string, number>> {
  const beforeUs = processorUs(pids);
  const values = await shaped(work, shape, seconds);
  const answers = Math.max(1, values['answers'] ?? 0);
  return pids.length === 0
    ? values
    : { ...values, cpuUsPerRequest: rounded((processorUs(pids) - beforeUs) / answers) };
}

async function shaped(
  work: (index: number) => Promise<boolean>,
  shape: LoadShape,
  seconds: number,
): Promise<Record<string, number>> {
  if (shape.kind === 'open')
    return openLoopValues(await workAtRate(work, { requestsPerS: shape.requestsPerS, seconds }));
  const startedMs = performance.now();
  const endMs = startedMs + 1_000 * seconds;
  const latenciesMs: number[] = [];
  let [failed, next] = [0, 0];
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      if (await work(next++).catch(() => false)) latenciesMs.push(performance.now() - beganMs);
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: shape.connections }, caller));
  return openLoopValues({ latenciesMs, failed, seconds: (performance.now() - startedMs) / 1_000 });
}
