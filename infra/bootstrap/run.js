#!/usr/bin/env node
// Usage: node infra/bootstrap/run.js SCRIPT [arguments]. Makes sure of Node and the dependencies, then runs SCRIPT with them.
import { spawn } from 'node:child_process';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './cache-folder.js';
import { ensureDependencies } from './dependencies.js';
import { refuse } from './messages.js';
import { ensureNode } from './node-runtime.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [script, ...args] = process.argv.slice(2);
if (script === undefined) refuse('no program was named', 'run it through npm: npm start, npm test');

const node = ensureNode();
ensureDependencies(root, node);

// Types are stripped and code is compiled once for all processes and starts: less time, less memory. Files are named by their content.
const compiled = { NODE_COMPILE_CACHE: join(cacheFolder(), 'compiled') };

// The channel tells the program when this process is gone, also by SIGKILL, so that nothing is left running.
const child = spawn(
  node,
  ['--disable-warning=ExperimentalWarning', isAbsolute(script) ? script : join(root, script), ...args],
  {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...compiled, ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` },
  },
);
// A terminal sends Ctrl-C to the whole group; the program ends in its own order and this process waits for it.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', error =>
  refuse(`${node} could not be run (${error.message})`, 'remove it and run the command again'),
);
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
