import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { FeatureMatrix, OnlineAnswer, OnlineReadRequest } from '@featuremesh/domain/online-answer';
import { gatewaySet } from '@featuremesh/domain/placement';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { type PlannedRead, planRead } from '@featuremesh/domain/read-plan';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import type { Clock } from '@featuremesh/runtime/clock';
import { answerProblem } from './answer-problem.ts';
import type { CurrentView, StateView } from './state-view.ts';
import { type ReadCaller, type TicketReader, unreadStatus } from './ticket-reader.ts';

/** What a region reader works with. */
export interface RegionReaderOptions {
  readonly view: CurrentView;
  readonly tickets: TicketReader;
  readonly clock: Clock;
}

/**
 * `POST /v1/online/read` of one region: the same planner as the gateway's, but only this region's own copy answers. A part
 * that lives elsewhere is a result with a problem that names where to ask.
 */
export class RegionReader {
  readonly #options: RegionReaderOptions;

  constructor(options: RegionReaderOptions) {
    this.#options = options;
  }

  /** The answer; fails as a whole where the request is wrong, or where no part of it was answered. */
  async read(request: OnlineReadRequest, caller: ReadCaller): Promise<Result<OnlineAnswer>> {
    const view = this.#options.view.now();
    const self = view.state.region;
    const plan = planRead(request, {
      ...view,
      gatewayRegion: self,
      nowMs: this.#options.clock.nowMs(),
      caller: {
        jurisdictions: caller.jurisdictions,
        purposes: caller.purposes,
        ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
      },
      health: region => (region === self ? 'up' : 'down'),
      distance: region => (region === self ? 0 : 1),
    });
    if (!plan.ok) return plan;
    const results = await Promise.all(plan.value.reads.map(part => this.#part(part, view, caller)));
    const unanswered = results.length > 0 && results.every(result => result.problem !== undefined);
    if (unanswered) return fail(wholeProblem(results));
    return ok({ rows: plan.value.rows, results });
  }

  async #part(part: PlannedRead, view: StateView, caller: ReadCaller): Promise<FeatureMatrix> {
    const self = view.state.region;
    if (part.ticket === null || part.region !== self)
      return unread(part, elsewhere(part, view, this.#options.clock));
    const matrix = await this.#options.tickets.read(part.ticket, caller, part.encodedKeys);
    return {
      ...matrix,
      group: part.group,
      ...(part.rowIndex === null ? {} : { rowIndex: part.rowIndex }),
    };
  }
}

/** The planner takes other regions for unreachable here; what that means to a caller of this region is "ask there". */
function elsewhere(part: PlannedRead, { state, catalogue, placements }: StateView, clock: Clock): Problem {
  const { problem: reason, region } = part;
  if (reason !== undefined && reason.code !== 'REGION_UNAVAILABLE') return reason;
  const group = catalogue.groupById(part.groupId, part.version);
  const placement = group === undefined ? undefined : placements.of(group, clock.nowMs());
  const holder = region ?? placement?.placement[0];
  const may = placement === undefined || holder === undefined ? [] : gatewaySet(placement, holder, state);
  return problem('MISROUTED', `${part.group} is not held by ${state.region}; ask a gateway or its region`, {
    extra: {
      candidates: state.regions
        .filter(({ id }) => id !== state.region && may.includes(id))
        .map(({ id, publicGatewayUrl }) => ({ region: id, publicGatewayUrl })),
    },
  });
}

function unread(part: PlannedRead, reason: Problem): FeatureMatrix {
  return {
    group: part.group,
    ...(part.as === undefined ? {} : { as: part.as }),
    version: part.version,
    region: part.region,
    ...(part.rowIndex === null ? {} : { rowIndex: part.rowIndex }),
    names: part.names,
    columns: null,
    statuses: part.names.map(() => unreadStatus(reason)),
    eventTimes: null,
    problem: answerProblem(reason, part.region),
  };
}

/** The one problem that stands for an answer without any values; the parts ride along. */
function wholeProblem(results: readonly FeatureMatrix[]): Problem {
  const first = results[0];
  const code = first?.problem?.code;
  const known = Object.keys(ERRORS).find(name => name === code) as keyof typeof ERRORS | undefined;
  const { detail = 'no part of the read was answered', candidates } = first?.problem ?? {};
  return problem(known ?? 'INTERNAL', detail, {
    extra: { ...(candidates === undefined ? {} : { candidates }), results },
  });
}
