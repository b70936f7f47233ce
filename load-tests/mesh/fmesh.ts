import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parsePolicyFiles } from '@featuremesh/contracts/policy-file';
import { z } from 'zod';

const CLI = fileURLToPath(new URL('../../services/cli/main.ts', import.meta.url));
/** The people of the local mesh, as its launcher names them. */
const AUTHOR = 'owner';
const APPROVERS = ['officer-1', 'officer-2'];
const COMMAND_TIMEOUT_MS = 60_000;

const policyListSchema = z.looseObject({
  policies: z.array(
    z.looseObject({
      state: z.string(),
      record: z.looseObject({ document: z.looseObject({ name: z.string(), home: z.string() }) }),
    }),
  ),
});

const run = promisify(execFile);

/** Brings a workload's definitions and policies into force as a person would: `fmesh apply`, `policy propose`, `policy approve`. */
export async function bringIntoForce(workloadFolder: string, dataDir: string): Promise<void> {
  await fmesh(dataDir, ['apply', join(workloadFolder, 'features')]);
  const policiesFolder = join(workloadFolder, 'policies');
  const known = policyListSchema.parse(JSON.parse(await fmesh(dataDir, ['policy', 'list', '--json'])));
  const there = new Set(
    known.policies
      .filter(({ state }) => state !== 'proposed')
      .map(({ record }) => `${record.document.home}/${record.document.name}`),
  );
  const wanted = policyNames(policiesFolder).filter(({ home, name }) => !there.has(`${home}/${name}`));
  if (wanted.length === 0) return;
  await fmesh(dataDir, ['policy', 'propose', policiesFolder, ...signer(dataDir, AUTHOR)]);
  for (const { name } of wanted) {
    for (const officer of APPROVERS) {
      await fmesh(dataDir, ['policy', 'approve', name, ...signer(dataDir, officer)]);
    }
  }
}

async function fmesh(dataDir: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', CLI, ...args, '--data-dir', dataDir],
    { timeout: COMMAND_TIMEOUT_MS },
  );
  return stdout;
}

function signer(dataDir: string, officer: string): string[] {
  return ['--officer', officer, '--key', join(dataDir, 'officers', `${officer}.pem`)];
}

function policyNames(folder: string): { home: string; name: string }[] {
  const files = readdirSync(folder)
    .filter(file => file.endsWith('.yaml'))
    .map(file => ({ name: file, text: readFileSync(join(folder, file), 'utf8') }));
  const parsed = parsePolicyFiles(files);
  if (!parsed.ok) throw new Error(`the policies of ${folder} are not valid: ${parsed.problem.detail}`);
  return parsed.value.map(({ document }) => document);
}
