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

/** Makes the durable where there is none, and gives an existing one the pace that the plan names. */
export async function ensureDurable(
  manager: JetStreamManager,
  stream: string,
  durable: Partial<ConsumerConfig> & Pick<ConsumerConfig, 'durable_name' | 'ack_wait'>,
): Promise<void> {
  const { durable_name: name = '', ack_wait = 0 } = durable;
  try {
    const { config } = await manager.consumers.info(stream, name);
    if (config.ack_wait !== ack_wait) await manager.consumers.update(stream, name, { ack_wait });
  } catch (error) {
    if (!isConsumerMissing(error)) throw error;
    await manager.consumers.add(stream, durable);
  }
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const of = new Set(a);
  return of.size === new Set(b).size && b.every(one => of.has(one));
}
