import { pageOf } from '@featuremesh/contracts/page';
import { groupFits, serviceFits } from '@featuremesh/domain/catalogue-filter';
import type { CatalogueGroup, CatalogueService } from '@featuremesh/domain/feature-group';
import { formatFeatureType } from '@featuremesh/domain/feature-type';
import { LineageGraph } from '@featuremesh/domain/lineage';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { CurrentView, StateView } from '../serving/state-view.ts';
import { parseInput } from './parse-input.ts';

/** Groups or services of one answer: a page of 10 KiB each stays below the limit of a JSON body. */
const MAX_LISTED = 1_000;

/** Digits of a version in a sort key: more than references may name. */
const VERSION_DIGITS = 7;

const textSchema = z.string().min(1).max(200).nullable().default(null);

const listQuerySchema = z
  .strictObject({
    text: textSchema,
    tag: textSchema,
    owner: textSchema,
    team: textSchema,
    entity: textSchema,
    region: textSchema,
    home: textSchema,
    name: textSchema,
    first: z.coerce.number().pipe(z.int().min(1).max(MAX_LISTED)).default(500),
    after: textSchema,
  })
  .transform(({ text, tag, owner, team, entity, region, home, name, first, after }) => ({
    filter: { text, tag, owner, team, entity, region, homeRegion: home, name },
    first,
    after,
  }));

/** What the catalogue routes need. */
export interface CatalogueRouteOptions {
  readonly view: CurrentView;
  readonly clock: Clock;
}

/** `GET /v1/groups[/{[home/]group[@vN]}]` (lists take filters and pages), `GET /v1/services/{service}` and `GET /v1/operations[/{id}]`. */
export function registerCatalogueRoutes(fastify: FastifyInstance, options: CatalogueRouteOptions): void {
  const { view, clock } = options;
  fastify.get('/v1/groups', request => {
    const { first, after, filter } = parseInput(listQuerySchema, request.query, 'the query');
    const [now, nowMs] = [view.now(), clock.nowMs()];
    const placed = (group: CatalogueGroup) => () => now.placements.of(group, nowMs).placement;
    const items = now.state.groups.filter(group => groupFits(group, filter, placed(group)));
    const { nodes, ...page } = pageAt(items, { first, after });
    return { groups: nodes.map(group => groupBody(group, now, nowMs)), ...page };
  });
  fastify.get('/v1/groups/*', request => {
    const now = view.now();
    const group = now.catalogue.group(referenceOf(request));
    if (!group.ok) throw new ProblemError(group.problem);
    const lineage = new LineageGraph(now.state, now.catalogue).of(group.value);
    const { homeRegion, name } = group.value.definition;
    const versions = now.catalogue.versions(homeRegion, name).map(versionBody);
    return { ...groupBody(group.value, now, clock.nowMs()), versions, lineage };
  });
  fastify.get('/v1/services', request => {
    const { first, after, filter } = parseInput(listQuerySchema, request.query, 'the query');
    const items = view.now().state.services.filter(service => serviceFits(service, filter));
    const { nodes, ...page } = pageAt(items, { first, after });
    return { services: nodes.map(serviceBody), ...page };
  });
  fastify.get('/v1/services/*', request => {
    const now = view.now();
    const service = now.catalogue.service(referenceOf(request));
    if (!service.ok) throw new ProblemError(service.problem);
    const lineage = new LineageGraph(now.state, now.catalogue).ofService(service.value);
    return { ...serviceBody(service.value), lineage };
  });
  // Nothing in this milestone takes so long that it becomes an operation; the address is part of the contract all the same.
  fastify.get('/v1/operations', () => ({ operations: [] }));
  const noSuchOperation = (): never => {
    throw new ProblemError(problem('NOT_FOUND', 'there is no such operation'));
  };
  fastify.get('/v1/operations/:id', noSuchOperation);
  fastify.post('/v1/operations/:id/cancel', noSuchOperation);
}

/** One page of groups or services, every version of each, by home, name and version; `next` is the `after` of the one behind it. */
function pageAt<T extends CatalogueGroup | CatalogueService>(
  items: readonly T[],
  { first, after }: { first: number; after: string | null },
): { nodes: readonly T[]; total: number; next: string | null } {
  const keyOf = ({ definition, version }: T) =>
    `${definition.homeRegion}/${definition.name} ${String(version).padStart(VERSION_DIGITS, '0')}`;
  const page = pageOf({ items, keyOf, first, max: MAX_LISTED, after });
  if (!page.ok) throw new ProblemError(page.problem);
  const { nodes, totalCount: total, pageInfo } = page.value;
  return { nodes, total, next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
}

function referenceOf(request: FastifyRequest): string {
  const { params } = request;
  if (typeof params !== 'object' || params === null || !('*' in params)) return '';
  return String(params['*']);
}

function versionBody(group: CatalogueGroup) {
  const { version, revision, aliases } = group;
  return { version, revision, aliases, state: stateOf(group) };
}

/** A purged version is retired, and will never be anything else. */
function stateOf({ definition, purged }: CatalogueGroup): 'active' | 'retired' | 'purged' {
  return purged === true ? 'purged' : definition.state;
}

function groupBody(group: CatalogueGroup, { placements }: StateView, nowMs: number) {
  const { definition } = group;
  const placement = placements.of(group, nowMs);
  return {
    id: group.id,
    home: definition.homeRegion,
    name: definition.name,
    version: group.version,
    revision: group.revision,
    schemaHash: group.schemaHash,
    aliases: group.aliases,
    state: stateOf(group),
    description: definition.description ?? null,
    owner: definition.owner ?? null,
    team: definition.team ?? null,
    tags: definition.tags,
    deprecated: definition.deprecated ?? null,
    entities: definition.entities,
    subject: group.subject,
    joinKeys: group.joinKeys,
    features: definition.features.map(({ name, type, nullable, description, from = [] }) => ({
      name,
      type: formatFeatureType(type),
      nullable,
      description: description ?? null,
      from,
    })),
    sources: definition.sources ?? [],
    inputs: definition.inputs,
    maxAgeMs: definition.maxAgeMs ?? null,
    retentionMs: definition.retentionMs ?? null,
    sync: definition.sync,
    placement: {
      allowed: placement.allowed,
      regions: placement.placement,
      rows: placement.rows,
      replicated: placement.replicated,
      egress: placement.egress,
      policyEpoch: placement.policyEpoch,
    },
  };
}

function serviceBody(service: CatalogueService) {
  const { definition } = service;
  return {
    id: service.id,
    home: definition.homeRegion,
    name: definition.name,
    version: service.version,
    description: definition.description ?? null,
    owner: definition.owner ?? null,
    team: definition.team ?? null,
    tags: definition.tags,
    deprecated: definition.deprecated ?? null,
    features: definition.features,
    resolved: service.resolved,
  };
}
