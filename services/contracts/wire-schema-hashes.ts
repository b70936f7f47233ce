import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import { z } from 'zod';
import { CONTRACT_VERSION } from './protocol-version.ts';

const FOLDER = new URL('.', import.meta.url);
const HASH_DIGITS = 16;

/** Hashes by `file/export`, as the files `wire-schemas.v<n>.json` hold them. */
export type SchemaHashes = Readonly<Record<string, string>>;

/** A hash of the JSON Schema of every zod schema that a file of this package exports, sorted by name. */
export async function wireSchemaHashes(): Promise<SchemaHashes> {
  const files = readdirSync(FOLDER).filter(file => /^[a-z0-9-]+\.ts$/.test(file));
  const hashes: [string, string][] = [];
  for (const file of files.sort()) {
    const module: Record<string, unknown> = await import(new URL(file, FOLDER).href);
    for (const [name, value] of Object.entries(module)) {
      if (value instanceof z.ZodType) hashes.push([`${file.slice(0, -3)}/${name}`, schemaHash(value)]);
    }
  }
  return Object.fromEntries(hashes.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A hash of the shape that a schema accepts on the wire; checks written as code do not show in it. */
export function schemaHash(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  return createHash('sha256').update(canonicalJson(json)).digest('hex').slice(0, HASH_DIGITS);
}

/** The hashes kept for a version. */
export function keptSchemaHashes(version: number): SchemaHashes {
  return JSON.parse(readFileSync(keptFile(version), 'utf8'));
}

function keptFile(version: number): URL {
  return new URL(`wire-schemas.v${version}.json`, FOLDER);
}

// `node services/contracts/wire-schema-hashes.ts --write` keeps the present hashes for the present version.
if (import.meta.main && process.argv.includes('--write')) {
  const write = (hashes: SchemaHashes): void =>
    writeFileSync(keptFile(CONTRACT_VERSION), `${JSON.stringify(hashes, null, 2)}\n`);
  // Not awaited: the scan imports this very file, which then would wait for itself.
  void wireSchemaHashes().then(write);
}
