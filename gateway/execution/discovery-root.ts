import { parseOnlineReadRequest } from '@featuremesh/contracts/http-read';
import { pageOf } from '@featuremesh/contracts/page';
import { type CatalogueFilter, groupFits, serviceFits } from '@featuremesh/domain/catalogue-filter';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { MeshState, RegionInfo } from '@featuremesh/domain/mesh-state';
import type { Result } from '@featuremesh/domain/result';
import { listedGroups, listedServices, listingKey } from '../catalogue/catalogue-search.ts';
import { MAX_PAGE_SIZE } from '../limits.ts';
import { groupNode, type NodeContext, serviceNode } from './catalogue-nodes.ts';
import { graphqlProblem } from './graphql-problem.ts';
import { homeOf, planOnline, type RegionKnowledge, refusalOfAll } from './online-plan.ts';
import type { RequestContext } from './request-context.ts';

interface ListArguments {
  readonly filter?: CatalogueFilter | null;
  readonly first?: number | null;
  readonly after?: string | null;
}

const DEFAULT_PAGE_SIZE = 50;

/** The root of the discovery subgraph: every root field as a function of its arguments and the request. Reads memory only; contacts nobody. */
export class DiscoveryRoot {
  readonly #regions: RegionKnowledge;
  readonly #ownAgeMs: () => number | undefined;

  constructor(options: { readonly regions: RegionKnowledge; readonly ownAgeMs: () => number | undefined }) {
    this.#regions = options.regions;
    this.#ownAgeMs = options.ownAgeMs;
  }

  /** All regions, sorted by id, with health as this gateway sees it. */
  regions(_: unknown, context: RequestContext) {
    const { state } = context.view;
    return state.regions.map(region => ({
      id: region.id,
      jurisdiction: region.jurisdiction,
      cloud: region.cloud,
      publicGatewayUrl: region.publicGatewayUrl,
      health: this.#regions.health(region.id),
      knowledgeAgeMs: this.#knowledgeAgeMs(region, state, context.read.nowMs),
    }));
  }

  /** Groups that fit the filter, by name and home; one version of each. */
  featureGroups({ filter, first, after }: ListArguments, context: RequestContext) {
    const { view, read } = context;
    const placed = (group: CatalogueGroup) => () => view.placements.of(group, read.nowMs).placement;
    const page = orThrow(
      pageOf({
        items: listedGroups(view).filter(group => groupFits(group, filter ?? {}, placed(group))),
        keyOf: listingKey,
        first: first ?? DEFAULT_PAGE_SIZE,
        max: MAX_PAGE_SIZE,
        after,
      }),
    );
    return { ...page, nodes: page.nodes.map(group => groupNode(group, nodes(context))) };
  }

  /** The group of a reference; null where there is none, an error where several fit. */
  featureGroup({ ref }: { readonly ref: string }, context: RequestContext) {
    const found = context.view.catalogue.group(ref);
    if (!found.ok && found.problem.code !== 'AMBIGUOUS_NAME') return null;
    return groupNode(orThrow(found), nodes(context));
  }

  /** Services that fit the filter, by name and home; the newest version of each. */
  featureServices({ filter, first, after }: ListArguments, context: RequestContext) {
    const page = orThrow(
      pageOf({
        items: listedServices(context.view).filter(service => serviceFits(service, filter ?? {})),
        keyOf: listingKey,
        first: first ?? DEFAULT_PAGE_SIZE,
        max: MAX_PAGE_SIZE,
        after,
      }),
    );
    return { ...page, nodes: page.nodes.map(service => serviceNode(service, nodes(context))) };
  }

  /** The service of a reference; null where there is none, an error where several fit. */
  featureService({ ref }: { readonly ref: string }, context: RequestContext) {
    const found = context.view.catalogue.service(ref);
    if (!found.ok && found.problem.code !== 'AMBIGUOUS_NAME') return null;
    return serviceNode(orThrow(found), nodes(context));
  }

  /** Plans a read into references that the region contract fills. An error where the request is wrong or policy refuses every part. */
  online(request: Readonly<Record<string, unknown>>, context: RequestContext) {
    const plan = orThrow(planOnline(orThrow(parseOnlineReadRequest(request)), context, this.#regions));
    const refusal = refusalOfAll(plan);
    if (refusal !== undefined) throw graphqlProblem(refusal);
    return {
      rows: plan.rows,
      results: plan.reads.map(read => ({
        region: read.region ?? homeOf(read, context),
        read: context.keep(read),
        group: read.group,
        as: read.as,
        version: read.version,
        rowIndex: read.rowIndex,
        names: read.names,
      })),
    };
  }

  #knowledgeAgeMs(region: RegionInfo, state: MeshState, nowMs: number): number | undefined {
    if (region.id === state.region) return this.#ownAgeMs();
    const confirmedAtMs = state.policyConfirmedAtMs[region.id];
    return confirmedAtMs === undefined ? undefined : Math.max(0, nowMs - confirmedAtMs);
  }
}

function nodes(context: RequestContext): NodeContext {
  return { view: context.view, nowMs: context.read.nowMs };
}

function orThrow<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw graphqlProblem(result.problem);
}
