import { KeyEncoder } from '@featuremesh/domain/entity-key';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { MAX_READ_FEATURES, MAX_READ_ROWS } from '@featuremesh/domain/limits';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { AnswerSource, FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type GroupPlacement, gatewaySet, mayRead, policyIsStale } from '@featuremesh/domain/placement';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { cutOffMs } from '@featuremesh/domain/retention';
import type { ValueStatus } from '@featuremesh/domain/value-status';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { OnlineStore, RowVisits, TableRef } from '../ports/online-store.ts';
import { answerProblem } from './answer-problem.ts';
import { DecoderCache } from './decoder-cache.ts';
import { MatrixColumns } from './matrix-columns.ts';
import { waitForPosition } from './position-wait.ts';
import type { CurrentView } from './state-view.ts';

/** Who asks, as the region believes it: configuration or a verified gateway token says so. */
export interface ReadCaller {
  readonly jurisdictions: readonly string[] | 'all';
  readonly purposes: readonly string[] | 'all';
  /** The gateway that will carry the answer; undefined where the caller asked this region itself. */
  readonly gatewayRegion?: RegionId;
}

/** What a reader works with. */
export interface TicketReaderOptions {
  readonly view: CurrentView;
  readonly store: Pick<OnlineStore, 'read' | 'appliedPosition'> & Partial<RowVisits>;
  readonly tableFor: (groupId: string, version: number) => TableRef | undefined;
  /** Replication lag of this region's copy behind the peers, in ms; null while a peer has not reported yet. */
  readonly lagMs: (peers: readonly RegionId[]) => number | null;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  /** Looks for what other processes of the region have learnt, before a row of an unknown revision counts as unreadable. */
  readonly refresh: () => Promise<unknown>;
}

/** A group as the current state has it, with what deciding and decoding need. */
export interface Readable {
  readonly state: MeshState;
  readonly group: CatalogueGroup;
  readonly placement: GroupPlacement;
}

interface GroupParts {
  readonly encoder: KeyEncoder;
  readonly names: ReadonlySet<string>;
  /** The list of features that was last found to be the group's. */
  checked: readonly string[] | undefined;
}

/**
 * Answers read tickets from this region's own copy. Policy is judged here on every ticket, whoever planned it; what may
 * not or cannot be read comes back as REFUSED or UNAVAILABLE with its problem, never as a missing row (V5).
 */
export class TicketReader {
  readonly #options: TicketReaderOptions;
  readonly #decoders = new DecoderCache();
  /** What reading a group needs again and again; gone with the state that the group belongs to. */
  readonly #parts = new WeakMap<CatalogueGroup, GroupParts>();

  constructor(options: TicketReaderOptions) {
    this.#options = options;
  }

  /** The answer to one ticket; `encodedKeys` where its planner encoded them in this process. Rejects only on a programming error. */
  async read(
    ticket: ReadTicket,
    caller: ReadCaller,
    encodedKeys?: readonly Uint8Array[],
  ): Promise<FeatureMatrix> {
    const found = this.#find(ticket);
    if (!found.ok) return this.#unread(ticket, undefined, found.problem);
    const { group } = found.value;
    const keys = encodedKeys === undefined ? this.#encodeKeys(ticket, group) : ok(encodedKeys);
    if (!keys.ok) return this.#unread(ticket, group, keys.problem);
    const refused = this.judge(found.value, ticket, caller);
    if (refused !== undefined) return this.#unread(ticket, group, refused);
    const waits = ticket.after !== undefined || ticket.maxLagMs !== undefined;
    const late = waits ? await this.#tooLate(found.value, ticket) : undefined;
    if (late !== undefined) return this.#unread(ticket, group, late);
    const answer = await this.#attempt(found.value, ticket, keys.value);
    if (answer.problem?.code !== 'UNKNOWN_REVISION') return answer;
    // Another process of the region knew a newer revision and wrote by it: this one looks once, and judges anew by what it learnt.
    await this.#options.refresh();
    const again = this.#find(ticket);
    if (!again.ok) return answer;
    const refusedNow = this.judge(again.value, ticket, caller);
    if (refusedNow !== undefined) return this.#unread(ticket, again.value.group, refusedNow);
    return this.#attempt(again.value, ticket, keys.value);
  }

  async #attempt(
    readable: Readable,
    ticket: ReadTicket,
    keys: readonly Uint8Array[],
  ): Promise<FeatureMatrix> {
    try {
      return await this.#readRows(readable, ticket, keys);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return this.#unread(ticket, readable.group, error.problem);
    }
  }

  /** A group version of the current state with its placement; undefined where it is unknown here. */
  readable(groupId: string, version: number): Readable | undefined {
    const { state, catalogue, placements } = this.#options.view.now();
    const group = catalogue.groupById(groupId, version);
    if (group === undefined) return undefined;
    return { state, group, placement: placements.of(group, this.#options.clock.nowMs()) };
  }

  #find(ticket: ReadTicket): Result<Readable> {
    const found = this.readable(ticket.g, ticket.v);
    if (found === undefined)
      return fail(problem('UNKNOWN_GROUP', 'this region does not know the group version'));
    if (ticket.f.length > MAX_READ_FEATURES)
      return fail(problem('TOO_MANY_FEATURES', `at most ${MAX_READ_FEATURES} features in one read`));
    const parts = this.#partsOf(found.group);
    if (parts.checked === ticket.f) return ok(found);
    const unknown = ticket.f.find(name => !parts.names.has(name));
    if (unknown !== undefined)
      return fail(problem('UNKNOWN_FEATURE', `${found.group.definition.name} has no feature ${unknown}`));
    parts.checked = ticket.f;
    return ok(found);
  }

  /** As `readable`, by `id` or `id@vN`; without a version the one that `production` points at. */
  production(group: string): Readable | undefined {
    const [id, version] = group.split('@');
    if (id === undefined) return undefined;
    if (version !== undefined) return this.readable(id, Number(version.replace('v', '')));
    const { state } = this.#options.view.now();
    const found = state.groups.find(known => known.id === id && known.aliases.includes('production'));
    return found === undefined ? undefined : this.readable(id, found.version);
  }

  /** Lag of this region's copy in ms: 0 where rows stay where they were accepted, null while it is not known. */
  lagMsOf(readable: Readable): number | null {
    return this.#lagMs(readable);
  }

  /** Policy as this region knows it: first who may have the rows, then who may hold and carry them (interfaces). */
  judge(
    { state, group, placement }: Readable,
    ticket: Pick<ReadTicket, 'keys' | 'purpose'>,
    caller: ReadCaller,
  ): Problem | undefined {
    const self = state.region;
    const asCaller = {
      jurisdictions: caller.jurisdictions,
      purposes: caller.purposes,
      ...(ticket.purpose === undefined ? {} : { purpose: ticket.purpose }),
    };
    if (!mayRead(placement, asCaller, self, state))
      return problem('RESIDENCY_DENIED', 'the caller is outside the readers of the group');
    if (!placement.placement.includes(self) || this.#rowsOfOthers(group, placement, ticket, self))
      return problem('MISROUTED', `${self} may not answer for ${group.definition.name}`, {
        extra: {
          candidates: candidatesOf(
            state,
            placement.placement.filter(region => region !== self),
          ),
        },
      });
    if (caller.gatewayRegion !== undefined) {
      const permitted = gatewaySet(placement, self, state);
      if (!permitted.includes(caller.gatewayRegion))
        return problem('RESIDENCY_REDIRECT', `${caller.gatewayRegion} may not carry rows of this group`, {
          extra: { candidates: candidatesOf(state, permitted) },
        });
    }
    if (policyIsStale(placement, state, this.#options.clock.nowMs()))
      return problem('POLICY_STALE', `the policy was not confirmed within ${placement.maxPolicyAgeMs} ms`);
    return undefined;
  }

  /** True where a region-valued key of a ticket names another region and rows stay where they were accepted. */
  #rowsOfOthers(
    group: CatalogueGroup,
    placement: GroupPlacement,
    ticket: Pick<ReadTicket, 'keys'>,
    self: RegionId,
  ): boolean {
    if (placement.replicated) return false;
    const key = group.joinKeys.find(candidate => candidate.role === 'region');
    if (key === undefined) return false;
    return (ticket.keys[key.name] ?? []).some(value => value !== self);
  }

  async #tooLate(readable: Readable, ticket: ReadTicket): Promise<Problem | undefined> {
    if (ticket.after !== undefined) {
      try {
        const unreached = await waitForPosition(ticket.after, ticket.g, this.#options);
        if (unreached !== undefined) return unreached;
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        return error.problem;
      }
    }
    if (ticket.maxLagMs === undefined) return undefined;
    const lagMs = this.#lagMs(readable);
    if (lagMs !== null && lagMs <= ticket.maxLagMs) return undefined;
    return problem(
      'LAG_TOO_HIGH',
      lagMs === null ? 'the lag of this copy is not known yet' : `this copy is ${lagMs} ms behind`,
      { extra: { lagMs } },
    );
  }

  #encodeKeys(ticket: ReadTicket, group: CatalogueGroup): Result<readonly Uint8Array[]> {
    const { encoder } = this.#partsOf(group);
    const named = Object.keys(ticket.keys);
    const columns = group.joinKeys.map(({ name }) =>
      Object.hasOwn(ticket.keys, name) ? ticket.keys[name] : undefined,
    );
    const count = ticket.keys[named[0] ?? '']?.length ?? 0;
    if (named.some(name => ticket.keys[name]?.length !== count))
      return fail(problem('UNEQUAL_LENGTHS', 'the key arrays have different lengths'));
    if (count > MAX_READ_ROWS)
      return fail(problem('TOO_MANY_ROWS', `at most ${MAX_READ_ROWS} rows in one read`));
    if (count > 0 && named.some(name => !group.joinKeys.some(key => key.name === name)))
      return fail(problem('UNKNOWN_KEY', 'the key has a member that the group does not have'));
    const keys: Uint8Array[] = [];
    for (let row = 0; row < count; row += 1) {
      const key = encoder.encodeRow(columns, row);
      if (!key.ok) return key;
      keys.push(key.value);
    }
    return ok(keys);
  }

  #partsOf(group: CatalogueGroup): GroupParts {
    let parts = this.#parts.get(group);
    if (parts === undefined) {
      const names = new Set(group.definition.features.map(feature => feature.name));
      parts = { encoder: new KeyEncoder(group.joinKeys), names, checked: undefined };
      this.#parts.set(group, parts);
    }
    return parts;
  }

  async #readRows(
    readable: Readable,
    ticket: ReadTicket,
    keys: readonly Uint8Array[],
  ): Promise<FeatureMatrix> {
    const { state, group, placement } = readable;
    const { store, tableFor, clock } = this.#options;
    const table = tableFor(group.id, group.version);
    if (table === undefined)
      throw new ProblemError(problem('STORE_UNAVAILABLE', 'the table of the group is not ready here'));
    const columns = new MatrixColumns({
      width: ticket.f.length,
      decoder: this.#decoders.decoderOf(group, ticket.f, ticket.vectorsAs ?? 'array'),
      maxAgeMs: shorter(group.definition.maxAgeMs, ticket.maxAgeMs),
      includeStale: ticket.includeStale ?? false,
      cutOffMs: cutOffMs(group, clock.nowMs()),
      onlyOrigin: placement.rows === 'origin' ? state.region : undefined,
    });
    if (store.visit !== undefined) store.visit(table, keys, row => columns.add(row));
    else {
      // Who names a write sees it: a store that answers a moment behind must not (V6).
      const settled = ticket.after !== undefined;
      for (const row of await store.read(table, keys, { settled })) columns.add(row);
    }
    return {
      ...this.#head(ticket, group),
      names: ticket.f,
      ...columns.finish(Number(clock.nowUs()) / 1_000),
      source: this.#source(readable),
    };
  }

  #source(readable: Readable): AnswerSource {
    const { state, group, placement } = readable;
    return {
      region: state.region,
      replica: placement.replicated && group.definition.homeRegion !== state.region,
      lagMs: this.#lagMs(readable),
      policyEpoch: placement.policyEpoch,
    };
  }

  #lagMs({ state, placement }: Readable): number | null {
    if (!placement.replicated) return 0;
    return this.#options.lagMs(placement.placement.filter(region => region !== state.region));
  }

  #head(ticket: ReadTicket, group: CatalogueGroup | undefined) {
    return {
      group: group?.definition.name ?? ticket.g,
      ...(ticket.as === undefined ? {} : { as: ticket.as }),
      version: ticket.v,
      region: this.#options.view.now().state.region,
    };
  }

  #unread(ticket: ReadTicket, group: CatalogueGroup | undefined, reason: Problem): FeatureMatrix {
    const { region } = this.#options.view.now().state;
    return {
      ...this.#head(ticket, group),
      names: ticket.f,
      columns: null,
      statuses: ticket.f.map(() => unreadStatus(reason)),
      eventTimes: null,
      problem: answerProblem(reason, region),
    };
  }
}

/** REFUSED where policy says no, UNAVAILABLE where the part could not be read. */
export function unreadStatus({ code }: Problem): ValueStatus {
  const byPolicy = ['RESIDENCY_REDIRECT', 'RESIDENCY_DENIED', 'MISROUTED', 'POLICY_STALE', 'UNAUTHENTICATED'];
  return byPolicy.includes(code) || ERRORS[code].http === 403 ? 'REFUSED' : 'UNAVAILABLE';
}

function candidatesOf(state: MeshState, regions: readonly RegionId[]) {
  return state.regions
    .filter(({ id }) => regions.includes(id))
    .map(({ id, publicGatewayUrl }) => ({ region: id, publicGatewayUrl }));
}

/** A request may only shorten the group's max age. */
function shorter(ofGroup: number | undefined, asked: number | undefined): number | undefined {
  if (ofGroup === undefined) return asked;
  return asked === undefined ? ofGroup : Math.min(ofGroup, asked);
}
