import type { CatalogueGroup, CatalogueService } from '@featuremesh/domain/feature-group';
import { formatFeatureType } from '@featuremesh/domain/feature-type';
import { LineageGraph } from '@featuremesh/domain/lineage';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { CurrentView, StateView } from '../serving/state-view.ts';

/** What the catalogue routes need. */
export interface CatalogueRouteOptions {
  readonly view: CurrentView;
  readonly clock: Clock;
}

/** `GET /v1/groups[/{[home/]group[@vN]}]`, `GET /v1/services/{service}` and `GET /v1/operations[/{id}]`. */
export function registerCatalogueRoutes(fastify: FastifyInstance, options: CatalogueRouteOptions): void {
  const { view, clock } = options;
  fastify.get('/v1/groups', () => {
    const now = view.now();
    return { groups: now.state.groups.map(group => groupBody(group, now, clock.nowMs())) };
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
  fastify.get('/v1/services', () => ({ services: view.now().state.services.map(serviceBody) }));
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

function referenceOf(request: FastifyRequest): string {
  const { params } = request;
  if (typeof params !== 'object' || params === null || !('*' in params)) return '';
  return String(params['*']);
}

function versionBody({ version, revision, aliases, definition }: CatalogueGroup) {
  return { version, revision, aliases, state: definition.state };
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
    state: definition.state,
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
