#!/usr/bin/env node
// Runs the CLI under a Node that strips types, whatever Node started this: see infra/bootstrap/run.js.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
process.argv.splice(2, 0, join(root, 'services', 'cli', 'main.ts'));
await import('../../../infra/bootstrap/run.js');
