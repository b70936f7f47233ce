import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parsePolicyFiles } from '@featuremesh/contracts/policy-file';
import { z } from 'zod';
import type { Mesh } from './mesh-regions.ts';

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

/**
 * Brings a workload's definitions and policies into force as a person would: `fmesh apply`, `policy propose`, `policy approve`. Lists of
 * regions are cut to those of `mesh`, so that a workload for three regions runs in fewer.
 */
export async function bringIntoForce(workloadFolder: string, dataDir: string, mesh: Mesh): Promise<void> {
  const fitted = mkdtempSync(join(tmpdir(), 'featuremesh-workload-'));
  try {
    for (const part of ['features', 'policies'])
      fit(join(workloadFolder, part), join(fitted, part), new Set(mesh.regions.map(({ id }) => id)));
    await bring(fitted, dataDir);
  } finally {
    rmSync(fitted, { recursive: true });
  }
}

/** Copies YAML files with every `regions: […]` cut to regions that are there. */
function fit(from: string, to: string, there: ReadonlySet<string>): void {
  mkdirSync(to);
  for (const file of readdirSync(from).filter(name => name.endsWith('.yaml'))) {
    const text = readFileSync(join(from, file), 'utf8').replaceAll(
      /\bregions: \[([^\]]*)\]/g,
      (_, list: string) =>
        `regions: [${list
          .split(',')
          .map(region => region.trim())
          .filter(region => there.has(region))
          .join(', ')}]`,
    );
    writeFileSync(join(to, file), text);
  }
}

async function bring(workloadFolder: string, dataDir: string): Promise<void> {
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
