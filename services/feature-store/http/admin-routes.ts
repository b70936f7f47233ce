import { MAX_AUDIT_RECORDS } from '@featuremesh/contracts/admin-audit';
import { definitionsRequestSchema } from '@featuremesh/contracts/admin-definitions';
import { promotionRequestSchema, retirementRequestSchema } from '@featuremesh/contracts/admin-lifecycle';
import {
  approvePolicySchema,
  planPolicySchema,
  proposePolicySchema,
} from '@featuremesh/contracts/admin-policies';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Registry } from '../ports/registry.ts';
import type { DefinitionDesk } from '../registry/definition-desk.ts';
import type { LifecycleDesk } from '../registry/lifecycle-desk.ts';
import type { PolicyDesk } from '../registry/policy-desk.ts';
import { explainPlacement } from '../registry/policy-explanation.ts';
import type { CurrentView } from '../serving/state-view.ts';
import { parseInput } from './parse-input.ts';

/** Without authentication nobody is known by name; signatures name officers, and the audit record keeps those. */
const ANONYMOUS = 'anonymous';

/** What the caller says of himself, marked as no more than that. */
const statedActor = (by: string | undefined): string =>
  by === undefined ? ANONYMOUS : `${by} (not verified)`;

const explainQuerySchema = z.strictObject({ group: z.string().min(1).max(200) });
const auditQuerySchema = z.strictObject({
  limit: z.coerce.number().pipe(z.int().min(1).max(MAX_AUDIT_RECORDS)).default(100),
});

/** What the admin routes need. */
export interface AdminRouteOptions {
  readonly definitions: DefinitionDesk;
  readonly lifecycle: LifecycleDesk;
  readonly policies: PolicyDesk;
  readonly registry: Registry;
  readonly view: CurrentView;
  readonly clock: Clock;
}

/** `/v1/admin/definitions`, `promotions`, `retirements`, `policies` and `/v1/admin/audit`; parts of later milestones answer NOT_YET_SUPPORTED. */
export function registerAdminRoutes(fastify: FastifyInstance, options: AdminRouteOptions): void {
  registerDefinitions(fastify, options);
  registerPolicies(fastify, options);
  fastify.get('/v1/admin/audit', async request => {
    const { limit } = parseInput(auditQuerySchema, request.query, 'the query');
    return { records: await options.registry.audit(limit) };
  });
  for (const part of ['erasures', 'datasets', 'materialisations', 'adoptions'])
    for (const url of [`/v1/admin/${part}`, `/v1/admin/${part}/*`])
      fastify.all(url, () => {
        throw new ProblemError(problem('NOT_YET_SUPPORTED', `${part} are not supported yet`));
      });
}

function registerDefinitions(fastify: FastifyInstance, { definitions, lifecycle }: AdminRouteOptions): void {
  fastify.post('/v1/admin/definitions', request => {
    const asked = parseInput(definitionsRequestSchema, request.body);
    return asked.dryRun ? definitions.plan(asked) : definitions.apply(asked, statedActor(asked.by));
  });
  fastify.post('/v1/admin/definitions/plan', request =>
    definitions.plan(parseInput(definitionsRequestSchema, request.body)),
  );
  fastify.post('/v1/admin/promotions', request => {
    const asked = parseInput(promotionRequestSchema, request.body);
    return lifecycle.promote(asked, statedActor(asked.by));
  });
  fastify.post('/v1/admin/retirements', request => {
    const asked = parseInput(retirementRequestSchema, request.body);
    return lifecycle.retire(asked, statedActor(asked.by));
  });
}

function registerPolicies(fastify: FastifyInstance, { policies, view, clock }: AdminRouteOptions): void {
  fastify.get('/v1/admin/policies', async () => ({ policies: await policies.list() }));
  fastify.get('/v1/admin/policies/explain', request => {
    const { group } = parseInput(explainQuerySchema, request.query, 'the query');
    const now = view.now();
    const found = now.catalogue.group(group);
    if (!found.ok) throw new ProblemError(found.problem);
    return explainPlacement(found.value, now, clock.nowMs());
  });
  fastify.post('/v1/admin/policies/plan', request =>
    policies.plan(parseInput(planPolicySchema, request.body).document),
  );
  fastify.post('/v1/admin/policies/propose', request => {
    const { record } = parseInput(proposePolicySchema, request.body);
    const proposer = record.signatures.find(({ act }) => act === 'propose')?.officer;
    return policies.propose(record, proposer === undefined ? ANONYMOUS : `officer ${proposer}`);
  });
  fastify.post('/v1/admin/policies/approve', request => {
    const approval = parseInput(approvePolicySchema, request.body);
    return policies.approve(approval, `officer ${approval.signature.officer}`);
  });
}
