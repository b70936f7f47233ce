import type { LinkStatus } from '@featuremesh/contracts/link-status';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { reportLinks } from '@featuremesh/sync/agent/link-reporter';
import { PolicyKeeper } from '@featuremesh/sync/agent/policy-keeper';
import { LinkSession } from '@featuremesh/sync/engine/link-session';
import type { CompiledPolicy } from '@featuremesh/sync/policy-compiler/compile';
import { BrokerCalls } from './broker-calls.ts';
import type { LinkStreams } from './link-streams.ts';
import type { ProcessParts } from './process-parts.ts';
import { ProcessTime } from './process-time.ts';
import { NO_METRICS, simulatedLogger } from './quiet.ts';
import type { ServiceProcess } from './service-process.ts';
import { SimulatedBroker } from './simulated-broker.ts';
import { SimulatedFeedSink } from './simulated-feed-sink.ts';
import { SimulatedFeedSource } from './simulated-feed-source.ts';
import { SimulatedLinkIn } from './simulated-link-in.ts';
import { SimulatedLinkOut } from './simulated-link-out.ts';
import { SimulatedRegionService } from './simulated-region-service.ts';

/** The sync agent of a region: the real policy keeper and link sessions over simulated brokers, links and time. */
export class SyncProcess {
  readonly time: ProcessTime;
  readonly #sessions: readonly LinkSession[];
  readonly #keeper: PolicyKeeper;
  readonly #report: () => Promise<void>;
  /** As last reported to the service. */
  reported: readonly LinkStatus[] = [];

  constructor(
    parts: ProcessParts,
    world: {
      readonly live: () => ServiceProcess | undefined;
      readonly incoming: (peer: string) => LinkStreams;
    },
  ) {
    const { scheduler, disk, peers, random, hooks, observers } = parts;
    const time = new ProcessTime(scheduler, () => disk.skewMs);
    this.time = time;
    const logger = simulatedLogger(`${disk.id}/sync`, observers.log);
    const service = new SimulatedRegionService({
      scheduler,
      time,
      disk,
      live: world.live,
      publication: hooks.publication,
      onLinks: links => {
        this.reported = links;
      },
    });
    const connection = (): BrokerCalls =>
      new BrokerCalls({ scheduler, time, server: disk.broker, faults: disk.faults });
    const calls = connection();
    const nowMs = (): number => scheduler.nowMs();
    const simulatedFeed = new SimulatedFeedSource({ feed: disk.feed, calls, time });
    const feed = hooks.feedSource?.(simulatedFeed) ?? simulatedFeed;
    const simulatedSink = new SimulatedFeedSink({
      feed: disk.feed,
      held: disk.held,
      calls,
      time,
      nowMs,
      onProgress: progress => observers.onProgress?.(disk.id, progress),
    });
    const sink = hooks.feedSink?.(simulatedSink) ?? simulatedSink;
    const planted = (policy: CompiledPolicy): CompiledPolicy => hooks.policy?.(policy, disk) ?? policy;
    const broker = new SimulatedBroker(disk, connection());
    this.#keeper = new PolicyKeeper(
      {
        service,
        broker: { enforce: policy => broker.enforce(planted(policy)) },
        clock: time,
        timer: time,
        logger,
        onOutcome: () => undefined,
      },
      unknownState(parts),
    );
    this.#sessions = peers.map(({ id: peer }) => {
      const streams = disk.links.get(peer);
      if (streams === undefined) throw new TypeError(`no link to ${peer}`);
      const link = new SimulatedLinkIn(world.incoming(peer), time);
      return new LinkSession({
        self: disk.id,
        peer,
        out: new SimulatedLinkOut(streams, connection(), nowMs),
        link: hooks.linkIn?.(link, sink, peer) ?? link,
        feed,
        sink,
        service,
        policy: () => planted(this.#keeper.policy()),
        clock: time,
        timer: time,
        random,
        logger,
      });
    });
    const links = () => this.#sessions.flatMap(session => session.status());
    this.#report = () =>
      reportLinks({ links, service, metrics: NO_METRICS, timer: time, logger }, new AbortController().signal);
    for (const link of disk.links.values()) link.forgetPurged();
  }

  start(): void {
    void this.#keeper.run(new AbortController().signal);
    void this.#report();
    for (const session of this.#sessions) session.start();
  }

  /** Both ends of every link as they stand. */
  status(): readonly LinkStatus[] {
    return this.#sessions.flatMap(session => session.status());
  }

  /** `kill -9`. */
  kill(): void {
    this.time.kill();
  }
}

/** What is known before the service has said anything: nothing is permitted. */
function unknownState({ disk }: ProcessParts): MeshState {
  return {
    revision: 0,
    region: disk.id,
    regions: [],
    groups: [],
    opaqueGroups: [],
    services: [],
    entities: [],
    policies: [],
    policyEpochs: {},
    policyConfirmedAtMs: {},
  };
}
