import type { RegionConfig } from '@featuremesh/contracts/region-config';
import type { BrokerUser } from '@featuremesh/runtime/broker-secrets';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { connectAs } from './stream-medium.ts';

/** Publishes into a stream of a region as one of its broker's users; rejects where the broker does not store it. */
export async function publishAs(
  config: RegionConfig,
  user: BrokerUser,
  message: {
    readonly subject: string;
    readonly body: Uint8Array;
    readonly head?: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const connection = await connectAs(config, user);
  try {
    const head = headers();
    for (const [name, value] of Object.entries(message.head ?? {})) head.set(name, value);
    await jetstream(connection).publish(message.subject, message.body, { headers: head });
  } finally {
    await connection.close();
  }
}
