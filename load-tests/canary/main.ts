import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readMesh } from '../mesh/mesh-regions.ts';
import type { Needle, NeedleValue } from './needle.ts';
import { type CanaryReport, canaryRegion, searchMesh } from './search-mesh.ts';

const usage = `npm run canary -- [options]: looks for values in every medium of a running mesh: streams, stores, files, logs, metrics

  --data-dir DIR      folder of the running mesh (.featuremesh; FEATUREMESH_DATA_DIR)
  --text T            a text to look for; may be given several times, as all of these
  --int64 N           a whole number
  --base64 B          bytes
  --allowed A,B       regions whose stores and streams may hold the values (none)

A value has at least eight bytes. Exit status: 0 nothing where it may not be, 1 a leak or a medium that could not be searched, 2 usage.`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`canary: ${error instanceof Error ? error.message : String(error)}; see --help\n`);
  return 2;
});

async function main(): Promise<number> {
  const { values: options } = parseArgs({
    options: {
      'data-dir': { type: 'string' },
      text: { type: 'string', multiple: true },
      int64: { type: 'string', multiple: true },
      base64: { type: 'string', multiple: true },
      allowed: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const values: readonly NeedleValue[] = [
    ...(options.text ?? []).map(text => ({ kind: 'text' as const, text })),
    ...(options.int64 ?? []).map(text => ({ kind: 'int64' as const, int64: BigInt(text) })),
    ...(options.base64 ?? []).map(text => ({ kind: 'bytes' as const, bytes: Buffer.from(text, 'base64') })),
  ];
  if (options.help === true || values.length === 0) {
    process.stderr.write(`${usage}\n`);
    return options.help === true ? 0 : 2;
  }
  const placement = options.allowed?.split(',') ?? [];
  const needles = values.map((value, at): Needle => {
    return { name: `value ${at + 1} (${value.kind})`, value, placement, gateways: placement };
  });
  const path = join(dataFolder(options['data-dir']), 'mesh.json');
  if (!existsSync(path)) throw new Error(`no mesh runs: there is no ${path}; start one with npm start`);
  const mesh = readMesh(path);
  return print(await searchMesh({ regions: mesh.regions.map(canaryRegion), needles }));
}

function print({ findings, leaks, searched, hollow, unreadable }: CanaryReport): number {
  for (const { region, medium, items, bytes } of searched)
    process.stdout.write(`${region}  ${medium}: ${items} items, ${bytes} bytes\n`);
  for (const { needle, region, medium, where, form, permitted } of findings)
    if (permitted)
      process.stdout.write(`${needle}: permitted in ${medium} of ${region}: ${where}, ${form}\n`);
  for (const { needle, region, medium, where, form } of leaks)
    process.stdout.write(`LEAK ${needle}: in ${medium} of ${region}: ${where}, ${form}\n`);
  for (const one of hollow)
    process.stdout.write(`NOT SEARCHED ${one}: it lacks what every working one holds\n`);
  for (const one of unreadable) process.stdout.write(`NOT SEARCHED ${one}\n`);
  return leaks.length + hollow.length + unreadable.length === 0 ? 0 : 1;
}

function dataFolder(named = process.env['FEATUREMESH_DATA_DIR']): string {
  return named === undefined || named === ''
    ? fileURLToPath(new URL('../../.featuremesh', import.meta.url))
    : resolve(named);
}
