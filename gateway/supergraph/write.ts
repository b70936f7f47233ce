import { writeFileSync } from 'node:fs';
import { composeSupergraph } from './compose.ts';
import { supergraphFile } from './supergraph-file.ts';

const composition = composeSupergraph();
if (composition.kind === 'refused') {
  process.stderr.write(`The contracts do not compose:\n${composition.errors.join('\n')}\n`);
  process.exitCode = 1;
} else {
  writeFileSync(supergraphFile, composition.sdl);
  process.stdout.write(`Wrote supergraph.graphql (${composition.sdl.length} characters)\n`);
}
