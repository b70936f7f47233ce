import type { CompiledPolicy } from '@featuremesh/sync/policy-compiler/compile';
import type { Broker } from '@featuremesh/sync/ports/broker';
import type { BrokerCalls } from './broker-calls.ts';
import type { RegionDisk } from './region-disk.ts';

/** A region's broker as its sync agent configures it: OUT of every link first, FEED last, each in a step of its own. */
export class SimulatedBroker implements Broker {
  readonly #disk: RegionDisk;
  readonly #calls: BrokerCalls;

  constructor(disk: RegionDisk, calls: BrokerCalls) {
    this.#disk = disk;
    this.#calls = calls;
  }

  async enforce(policy: CompiledPolicy): Promise<void> {
    for (const [peer, link] of this.#disk.links) {
      const subjects = [...(policy.links.get(peer as never)?.outSubjects ?? [])];
      await this.#calls.ask(() => link.permit(subjects));
    }
    const feedSubjects = policy.feedSubjects.map(
      subject => new RegExp(`^${subject.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`),
    );
    await this.#calls.ask(() => {
      this.#disk.feed.stream.permitted = subject => feedSubjects.some(pattern => pattern.test(subject));
    });
  }
}
