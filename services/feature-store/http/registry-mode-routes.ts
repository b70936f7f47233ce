import { approveModeSchema, proposeModeSchema } from '@featuremesh/contracts/admin-registry-mode';
import type { FastifyInstance } from 'fastify';
import type { ModeDesk } from '../registry/mode-desk.ts';
import { parseInput } from './parse-input.ts';

/** `/v1/admin/registry-mode`: who accepts definitions. */
export function registerRegistryModeRoutes(fastify: FastifyInstance, desk: ModeDesk): void {
  fastify.get('/v1/admin/registry-mode', () => desk.list());
  fastify.post('/v1/admin/registry-mode/propose', request => {
    const { record } = parseInput(proposeModeSchema, request.body);
    const proposer = record.signatures.find(({ act }) => act === 'propose')?.officer;
    return desk.propose(record, `officer ${proposer ?? 'unknown'}`);
  });
  fastify.post('/v1/admin/registry-mode/approve', request => {
    const approval = parseInput(approveModeSchema, request.body);
    return desk.approve(approval, `officer ${approval.signature.officer}`);
  });
}
