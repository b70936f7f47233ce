import type { ConsumerConfig, JetStreamManager, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { isConsumerMissing, isStreamMissing } from './broker-errors.ts';

type Plan = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** The stream as it is; undefined where there is none. Rejects where the broker does not answer. */
export async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw error;
  }
}

/** Makes the stream where there is none, from a plan drawn up only then; leaves an existing one alone. */
export async function ensureStream(
  manager: JetStreamManager,
  name: string,
  plan: () => Plan,
): Promise<StreamInfo> {
  return (await findStream(manager, name)) ?? (await manager.streams.add(plan()));
}

/** Gives the stream exactly these subjects, in one step at the broker. */
export async function setSubjects(
  manager: JetStreamManager,
  name: string,
  subjects: readonly string[],
): Promise<void> {
  const { config } = await manager.streams.info(name);
  if (sameSet(config.subjects, subjects)) return;
  await manager.streams.update(name, { ...config, subjects: [...subjects] });
}

/** Makes the durable where there is none. */
export async function ensureDurable(
  manager: JetStreamManager,
  stream: string,
  durable: Partial<ConsumerConfig>,
): Promise<void> {
  try {
    await manager.consumers.info(stream, durable.durable_name ?? '');
  } catch (error) {
    if (!isConsumerMissing(error)) throw error;
    await manager.consumers.add(stream, durable);
  }
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const of = new Set(a);
  return of.size === new Set(b).size && b.every(one => of.has(one));
}
