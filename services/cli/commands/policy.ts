import type { PolicyListItem, PolicyPlan } from '@featuremesh/contracts/admin-policies';
import { type ParsedPolicy, parsePolicyFiles } from '@featuremesh/contracts/policy-file';
import type { OfficerRole } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { readPrivateKey } from '@featuremesh/runtime/signing';
import type { Command } from 'commander';
import {
  type CliWorld,
  type CommandRun,
  notYetSupported,
  requiredPath,
  runs,
  textOption,
  unwrap,
  withRegionOptions,
} from '../command-frame.ts';
import { readYamlFiles } from '../definitions/yaml-files.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import {
  approvePolicy,
  explainPolicy,
  listPolicies,
  planPolicy,
  proposePolicy,
  type Signer,
} from '../http/admin-client.ts';
import { table } from '../output.ts';
import { writeOfficer } from '../policy/officer-key.ts';
import { regionClient } from '../target/region-target.ts';
import { drawExplanation, drawPlan } from './policy-tables.ts';

const SIGNING_HELP = `
Signatures are made here; the key never leaves this machine. Loosening needs two approvers, tightening one.
The local mesh keeps development officers in <data-dir>/officers: owner, officer-1, officer-2.
`;

/** `fmesh policy`: residency policies: plan, propose, approve, list, explain; and the keys of those who sign. */
export function registerPolicy(program: Command, world: CliWorld): void {
  const policy = program
    .command('policy')
    .description('residency policies: plan, propose, approve, list, explain');
  runs(
    world,
    withRegionOptions(policy.command('plan <paths...>')).description(
      'how a change of policy acts and what it does to each group',
    ),
    run =>
      eachPolicy(run, async (client, { document }) => ({
        name: document.name,
        plan: await planPolicy(client, document),
      })),
  );
  const propose = withSigner(withRegionOptions(policy.command('propose <paths...>')))
    .description('sign and propose policy files')
    .addHelpText(
      'after',
      `${SIGNING_HELP}\nExample:\n  fmesh policy propose policies/delays.yaml --officer owner --key .featuremesh/officers/owner.pem`,
    );
  runs(world, propose, run => {
    const by = signer(run);
    return eachPolicy(run, async (client, { document }) => {
      const nowMs = run.world.clock.nowMs();
      const { policy: item, plan } = await proposePolicy(client, document, by, nowMs);
      return { name: document.name, plan, item };
    });
  });
  const approve = withSigner(withRegionOptions(policy.command('approve <name>')))
    .description('sign and approve a proposed policy')
    .option('--version <n>', 'the version (default: the newest that is proposed)')
    .addHelpText(
      'after',
      `${SIGNING_HELP}\nExample:\n  fmesh policy approve delays-are-public --officer officer-1 --key .featuremesh/officers/officer-1.pem`,
    );
  runs(world, approve, runApprove);
  runs(
    world,
    withRegionOptions(policy.command('list')).description(
      'policies that the region knows, and where they stand',
    ),
    runList,
  );
  runs(
    world,
    withRegionOptions(policy.command('explain <group>')).description(
      'where rows of a group may be, who may read them, and by which policies',
    ),
    runExplain,
  );
  const officer = policy
    .command('officer')
    .description('draw the key of someone who signs policies')
    .requiredOption('--id <id>', 'name of the officer')
    .requiredOption('--roles <list>', 'owner, compliance, or both')
    .requiredOption('--out <folder>', 'folder for <id>.pem (private) and <id>.json (public)')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  fmesh policy officer --id ada --roles compliance --out ./officers');
  runs(world, officer, runOfficer);
  for (const [name, summary] of [
    ['pin', 'pin a group to regions'],
    ['history', 'all versions of a policy'],
  ] as const)
    notYetSupported(world, policy, name, summary);
}

/** Adds the options that name who signs and the private key. */
export function withSigner(command: Command): Command {
  return command
    .requiredOption('--officer <id>', 'who signs, as named in region.yaml')
    .requiredOption('--key <file>', 'private key of the officer');
}

/** Who signs, by those options. INVALID_REQUEST where the file holds no private key. */
export function signer(run: CommandRun): Signer {
  const path = requiredPath(run, 'key');
  try {
    return { officer: textOption(run, 'officer') ?? '', privateKeyPem: readPrivateKey(path) };
  } catch (error) {
    // The loader speaks of a configuration; here a person named the file.
    if (!(error instanceof ProblemError)) throw error;
    throw new ProblemError(problem('INVALID_REQUEST', `--key: ${error.problem.detail}`), { cause: error });
  }
}

async function eachPolicy(
  run: CommandRun,
  work: (
    client: ReturnType<typeof regionClient>['client'],
    policy: ParsedPolicy,
  ) => Promise<{ name: string; plan: PolicyPlan; item?: PolicyListItem }>,
): Promise<ExitCode> {
  const policies = unwrap(parsePolicyFiles(readYamlFiles(run.args[0] as string[], run.world.cwd)));
  if (policies.length === 0)
    throw new ProblemError(
      problem('INVALID_REQUEST', `no policy is written in ${(run.args[0] as string[]).join(', ')}`),
    );
  const results: { name: string; plan: PolicyPlan; item?: PolicyListItem }[] = [];
  for (const policy of policies) {
    const { client } = regionClient(run, policy.document.home);
    try {
      results.push(await work(client, policy));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const issues = error.problem.issues ?? [{ path: policy.where, message: error.problem.detail }];
      throw new ProblemError({ ...error.problem, issues }, { cause: error });
    } finally {
      await client.close();
    }
  }
  run.output.result({ policies: results }, () =>
    results.map(one => drawPlan(one.name, one.plan, one.item)).join('\n\n'),
  );
  return EXIT.done;
}

async function runApprove(run: CommandRun): Promise<ExitCode> {
  const by = signer(run);
  const { client } = regionClient(run);
  try {
    const item = wanted(await listPolicies(client), String(run.args[0]), textOption(run, 'version'));
    const { document, hash } = item.record;
    const home = regionClient(run, textOption(run, 'region') === undefined ? document.home : undefined);
    try {
      const which = { home: document.home, name: document.name, version: document.version, hash };
      const answer = await approvePolicy(home.client, which, by, run.world.clock.nowMs());
      run.output.result(answer, () => drawPlan(document.name, answer.plan, answer.policy));
    } finally {
      await home.client.close();
    }
    return EXIT.done;
  } finally {
    await client.close();
  }
}

function wanted(items: readonly PolicyListItem[], name: string, version: string | undefined): PolicyListItem {
  const [home, bare] = name.includes('/') ? name.split('/', 2) : [undefined, name];
  const fitting = items
    .filter(
      ({ record }) => record.document.name === bare && (home === undefined || record.document.home === home),
    )
    .filter(({ record, state }) =>
      version === undefined ? state === 'proposed' : String(record.document.version) === version,
    )
    .toSorted((a, b) => b.record.document.version - a.record.document.version);
  const [first] = fitting;
  if (first !== undefined) return first;
  throw new ProblemError(
    problem(
      'NOT_FOUND',
      `no proposed policy ${name}${version === undefined ? '' : ` version ${version}`}; see \`fmesh policy list\``,
    ),
  );
}

async function runList(run: CommandRun): Promise<ExitCode> {
  const { client } = regionClient(run);
  try {
    const policies = await listPolicies(client);
    run.output.result({ policies }, () =>
      table(
        ['policy', 'version', 'state', 'approvals', 'rows', 'allowed', 'epoch'],
        policies.map(({ record, state, approvals, requiredApprovals }) => [
          `${record.document.home}/${record.document.name}`,
          record.document.version,
          state,
          `${approvals} of ${requiredApprovals}`,
          record.document.rows,
          [...record.document.allowed.regions, ...record.document.allowed.jurisdictions].join(' '),
          record.epoch,
        ]),
      ),
    );
    return EXIT.done;
  } finally {
    await client.close();
  }
}

async function runExplain(run: CommandRun): Promise<ExitCode> {
  const { client } = regionClient(run);
  try {
    const explanation = await explainPolicy(client, String(run.args[0]));
    run.output.result(explanation, () => drawExplanation(explanation));
    return EXIT.done;
  } finally {
    await client.close();
  }
}

async function runOfficer(run: CommandRun): Promise<ExitCode> {
  const roles = (textOption(run, 'roles') ?? '').split(',').map(role => role.trim());
  if (!roles.every((role): role is OfficerRole => role === 'owner' || role === 'compliance')) {
    throw new ProblemError(problem('INVALID_REQUEST', '--roles is owner, compliance, or owner,compliance'));
  }
  const id = textOption(run, 'id') ?? '';
  if (!/^[\w.@-]{1,100}$/.test(id))
    throw new ProblemError(problem('INVALID_REQUEST', '--id is 1 to 100 of letters, digits and . _ @ -'));
  const written = await writeOfficer(requiredPath(run, 'out'), id, roles);
  run.output.result(written, () =>
    [
      `private key: ${written.keyPath}; it stays with ${id}`,
      `for \`officers:\` of every region.yaml: ${JSON.stringify(written.officer)}`,
    ].join('\n'),
  );
  return EXIT.done;
}
