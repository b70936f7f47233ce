import type { FeedLimits } from '@featuremesh/contracts/region-config';
import type { RegionId } from '@featuremesh/domain/region-id';
import {
  CTL_STREAM,
  CURSOR_STREAM,
  CURSOR_TOKEN,
  FEED_EPOCH_METADATA,
  FEED_STREAM,
  HELD_STREAM,
  OUT_LINK_SUBJECT,
  OUT_STREAM,
} from '@featuremesh/domain/subjects';
import type { Random } from '@featuremesh/runtime/random';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { CompiledPolicy } from '../../policy-compiler/compile.ts';
import type { Broker } from '../../ports/broker.ts';
import type { PurgeLedger } from './purge-ledger.ts';
import type { RelayPermissions } from './relay-permissions.ts';
import { ensureDurable, ensureStream, findStream, setSubjects } from './stream-keeper.ts';
import {
  CTL_DURABLE,
  ctlPlan,
  cursorPlan,
  feedBounds,
  feedPlan,
  heldPlan,
  OUT_DURABLE,
  outPlan,
} from './stream-plans.ts';

const EPOCH_CHARACTERS = 16;

/** One link's outgoing account, as its keeper sees it. */
export interface LinkAccount {
  readonly peer: RegionId;
  readonly manager: JetStreamManager;
  readonly purged: PurgeLedger;
}

/** What the broker's configuration rests on. */
export interface JetStreamBrokerOptions {
  readonly region: JetStreamManager;
  readonly links: readonly LinkAccount[];
  /** Undefined where an operator runs the broker and keeps its permissions. */
  readonly permissions: RelayPermissions | undefined;
  readonly replicas: number;
  readonly feedLimits: FeedLimits;
  readonly random: Random;
}

/** The broker's streams and permissions, made to fit what was compiled; idempotent, so that a failed call is simply made again. */
export class JetStreamBroker implements Broker {
  readonly #options: JetStreamBrokerOptions;

  constructor(options: JetStreamBrokerOptions) {
    this.#options = options;
  }

  /**
   * Makes FEED and HELD where they are missing, permitting no group yet, and returns FEED's epoch. Existing ones stay as they are, but
   * for FEED's limits: a smaller log refuses writes until its age has made room, it forgets nothing sooner for its size.
   */
  async prepare(): Promise<string> {
    const { region, replicas, feedLimits, random } = this.#options;
    const info = await ensureStream(region, FEED_STREAM, () =>
      feedPlan({
        subjects: [`FEED.${CURSOR_TOKEN}.0.none`],
        feedEpoch: random.base32(EPOCH_CHARACTERS),
        replicas,
        limits: feedLimits,
      }),
    );
    const bounds = feedBounds(feedLimits);
    if (info.config.max_bytes !== bounds.max_bytes || info.config.max_age !== bounds.max_age)
      await region.streams.update(FEED_STREAM, { ...info.config, ...bounds });
    await ensureStream(region, HELD_STREAM, () => heldPlan(replicas));
    return info.config.metadata?.[FEED_EPOCH_METADATA] ?? '';
  }

  async enforce(policy: CompiledPolicy): Promise<void> {
    const { region, permissions } = this.#options;
    const wanted = new Map(
      this.#options.links.map(({ peer }) => [peer, policy.links.get(peer)?.outSubjects ?? []] as const),
    );
    // Every wall by itself holds what it does not list, so what is in force in between is what both states permit.
    for (const link of this.#options.links) await this.#enforceOut(link, wanted.get(link.peer) ?? []);
    await permissions?.enforce(wanted);
    for (const link of this.#options.links) await this.#purge(link, wanted.get(link.peer) ?? []);
    await setSubjects(region, FEED_STREAM, policy.feedSubjects);
  }

  async #enforceOut({ manager }: LinkAccount, subjects: readonly string[]): Promise<void> {
    const { replicas, random } = this.#options;
    await ensureStream(manager, OUT_STREAM, () =>
      outPlan({ subjects, linkEpoch: random.base32(EPOCH_CHARACTERS), replicas }),
    );
    await setSubjects(manager, OUT_STREAM, [OUT_LINK_SUBJECT, ...subjects]);
    await ensureStream(manager, CTL_STREAM, () => ctlPlan(replicas));
    await ensureStream(manager, CURSOR_STREAM, () => cursorPlan(replicas));
    await ensureDurable(manager, OUT_STREAM, OUT_DURABLE);
    await ensureDurable(manager, CTL_STREAM, CTL_DURABLE);
  }

  /** Removes what is queued of groups no longer permitted, also of an earlier run; nothing can be added any more (R4). */
  async #purge({ manager, purged }: LinkAccount, subjects: readonly string[]): Promise<void> {
    const info = await manager.streams.info(OUT_STREAM, { subjects_filter: 'OUT.*' });
    const permitted = new Set([OUT_LINK_SUBJECT, ...subjects]);
    for (const subject of Object.keys(info.state.subjects ?? {})) {
      if (permitted.has(subject)) continue;
      const oldest = { seq: 1, next_by_subj: subject };
      const first = await manager.streams.getMessage(OUT_STREAM, oldest);
      const last = await manager.streams.getMessage(OUT_STREAM, { last_by_subj: subject });
      await manager.streams.purge(OUT_STREAM, { filter: subject });
      const groupId = subject.split('.').at(-1) ?? '';
      if (first !== null) purged.note(groupId, { from: first.seq, through: last?.seq ?? first.seq });
    }
  }

  /** FEED's epoch as it is now; undefined where there is no FEED. */
  async feedEpoch(): Promise<string | undefined> {
    const info = await findStream(this.#options.region, FEED_STREAM);
    return info?.config.metadata?.[FEED_EPOCH_METADATA];
  }
}
