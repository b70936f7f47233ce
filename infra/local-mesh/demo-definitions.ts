import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyDefinitions } from '@featuremesh/cli/definitions/apply-definitions';
import { readYamlFiles } from '@featuremesh/cli/definitions/yaml-files';
import { approvePolicy, listPolicies, policyHash, proposePolicy } from '@featuremesh/cli/http/admin-client';
import { JsonClient } from '@featuremesh/cli/http/json-client';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import type { PolicyListItem } from '@featuremesh/contracts/admin-policies';
import { parseDefinitionFiles } from '@featuremesh/contracts/definition-file';
import { type ParsedPolicy, parsePolicyFiles } from '@featuremesh/contracts/policy-file';
import type { PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Result } from '@featuremesh/domain/result';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import { z } from 'zod';
import type { DevelopmentOfficers } from './officers.ts';
import type { PreparedRegion } from './prepare-regions.ts';

const FOLDER = join('load-tests', 'flights');
/** How long definitions and policies may take to be in force in every region after the home accepted them. */
const EVERYWHERE_WITHIN_MS = 60_000;
const POLL_MS = 200;

const groupNamesSchema = z.object({ groups: z.array(z.object({ home: z.string(), name: z.string() })) });

/** What the demo's definitions are brought into force with. */
export interface DemoInput {
  readonly dataDir: string;
  readonly regions: readonly PreparedRegion[];
  readonly people: DevelopmentOfficers;
  readonly clock: Clock;
  readonly timer: Timer;
}

/** Applies the demo's definitions, runs the real approval of its policies, and waits until all regions know all of it. */
export async function bringDemoIntoForce(input: DemoInput): Promise<{ groups: number; policies: number }> {
  const [first] = input.regions;
  if (first === undefined) throw new TypeError('a mesh has at least one region');
  const files = readYamlFiles([join(installationRoot, FOLDER, 'features')], installationRoot);
  const definitions = unwrap(parseDefinitionFiles(files, { defaultHome: first.config.id }));
  const policies = unwrap(
    parsePolicyFiles(readYamlFiles([join(installationRoot, FOLDER, 'policies')], installationRoot)),
  );
  const clientFor = (home: string): JsonClient => new JsonClient(urlOf(input.regions, home), undefined);
  const clientAt = (url: string): JsonClient => new JsonClient(url, undefined);
  const wanted = definitions.set.groups.map(group => `${group.homeRegion}/${group.name}`);
  // The same files are not applied twice: someone may have changed a definition since.
  const mark = join(input.dataDir, 'demo', 'applied-definitions');
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  if (!isMarked(mark, digest) || (await missingGroups(first, wanted)).length > 0) {
    await applyDefinitions(definitions, {
      dryRun: false,
      fallbackHome: first.config.id,
      clientFor,
      clientAt,
    });
    await writeFileAtomic(mark, `${digest}\n`);
  }
  for (const policy of policies) await approve(input, policy, clientFor(policy.document.home));
  await waitEverywhere(input, wanted, policies);
  return { groups: wanted.length, policies: policies.length };
}

async function approve(input: DemoInput, policy: ParsedPolicy, client: JsonClient): Promise<void> {
  const { author, approvers } = input.people;
  const { document } = policy;
  const hash = policyHash(document);
  try {
    if (isCovered(await listPolicies(client), document, record => record.epoch > 0)) return;
    let { policy: item } = await proposePolicy(client, document, author, input.clock.nowMs());
    for (const officer of approvers) {
      if (item.state !== 'proposed') break;
      const which = { home: document.home, name: document.name, version: document.version, hash };
      ({ policy: item } = await approvePolicy(client, which, officer, input.clock.nowMs()));
    }
    if (item.state === 'proposed') {
      throw new ProblemError(
        problem(
          'POLICY_NOT_APPROVED',
          `${document.name} has ${item.approvals} of ${item.requiredApprovals} approvals`,
        ),
      );
    }
  } finally {
    await client.close();
  }
}

/** Every region knows every group and lists every policy as in force. */
async function waitEverywhere(
  input: DemoInput,
  groups: readonly string[],
  policies: readonly ParsedPolicy[],
): Promise<void> {
  const deadlineMs = input.clock.nowMs() + EVERYWHERE_WITHIN_MS;
  for (;;) {
    const missing = (
      await Promise.all(input.regions.map(region => missingIn(region, groups, policies)))
    ).flat();
    if (missing.length === 0) return;
    if (input.clock.nowMs() > deadlineMs) {
      throw new ProblemError(
        problem(
          'START_FAILED',
          `not in force everywhere after ${EVERYWHERE_WITHIN_MS / 1_000} s: ${missing.slice(0, 5).join('; ')}`,
        ),
      );
    }
    await input.timer.sleep(POLL_MS);
  }
}

async function missingIn(
  region: PreparedRegion,
  groups: readonly string[],
  policies: readonly ParsedPolicy[],
): Promise<readonly string[]> {
  const client = new JsonClient(region.config.publicUrl, undefined);
  try {
    const [known, missing] = await Promise.all([listPolicies(client), missingGroups(region, groups)]);
    const inForce = new Set(
      known.filter(({ state }) => state === 'in-force').map(({ record }) => record.hash),
    );
    const waiting = policies.filter(({ document }) => !inForce.has(policyHash(document)));
    return [
      ...waiting.map(({ document }) => `${region.id}: policy ${document.name}`),
      ...missing.map(group => `${region.id}: ${group}`),
    ];
  } catch (error) {
    if (error instanceof ProblemError) return [`${region.id}: ${error.problem.detail}`];
    throw error;
  } finally {
    await client.close();
  }
}

/** True where this version of the policy, or a newer one that someone put in its place, is as asked. */
function isCovered(
  known: readonly PolicyListItem[],
  document: PolicyDocument,
  judge: (record: PolicyRecord, state: PolicyListItem['state']) => boolean,
): boolean {
  return known.some(
    ({ record, state }) =>
      record.document.home === document.home &&
      record.document.name === document.name &&
      record.document.version >= document.version &&
      judge(record, state),
  );
}

function isMarked(path: string, digest: string): boolean {
  return existsSync(path) && readFileSync(path, 'utf8').trim() === digest;
}

async function missingGroups(region: PreparedRegion, wanted: readonly string[]): Promise<readonly string[]> {
  const client = new JsonClient(region.config.publicUrl, undefined);
  try {
    const { groups } = groupNamesSchema.parse(await client.get('/v1/groups'));
    const known = new Set(groups.map(group => `${group.home}/${group.name}`));
    return wanted.filter(group => !known.has(group));
  } finally {
    await client.close();
  }
}

function urlOf(regions: readonly PreparedRegion[], home: string): string {
  const region = regions.find(candidate => candidate.id === home);
  if (region !== undefined) return region.config.publicUrl;
  throw new ProblemError(
    problem('INVALID_REQUEST', `the demo names region ${home}, which this mesh does not have`),
  );
}

function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  const places = result.problem.issues?.map(issue => `\n  ${issue.path}: ${issue.message}`).join('') ?? '';
  throw new ProblemError({ ...result.problem, detail: `${result.problem.detail}${places}` });
}
