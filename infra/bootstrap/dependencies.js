import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { refuse, step } from './messages.js';
import { npm } from './node-runtime.js';

/** Installs the locked dependencies where they are not those of the lock file; nothing to do, and no network, otherwise. */
export function ensureDependencies(root, node) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.featuremesh-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  if (!existsSync(join(root, 'package-lock.json')))
    refuse('package-lock.json is missing', 'clone the repository again');
  step('Installing dependencies (about 440 MB, once)', () => {
    npm(
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'],
      root,
      'the dependencies',
      node,
    );
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    writeFileSync(stamp, lock);
  });
}
