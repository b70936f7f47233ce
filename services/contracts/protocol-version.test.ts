import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CONTRACT_VERSION, CONTRACT_VERSIONS } from './protocol-version.ts';
import { keptSchemaHashes, schemaHash, wireSchemaHashes } from './wire-schema-hashes.ts';

const INSTRUCTIONS = `
A wire schema differs from what wire-schemas.v${CONTRACT_VERSION}.json keeps.
If version ${CONTRACT_VERSION} is not released (protocol-version.ts), run
    node services/contracts/wire-schema-hashes.ts --write
and say in the commit who is affected. If it is released: raise CONTRACT_VERSION, add an entry to CONTRACT_VERSIONS that says what
changed, keep reading messages of the version before, then run the same command.
`;

describe('contract version', () => {
  it('every wire schema is the one kept for the present version', async () => {
    expect(await wireSchemaHashes(), INSTRUCTIONS).toEqual(keptSchemaHashes(CONTRACT_VERSION));
  });

  it('versions are numbered without gaps; all but the last are released and have their hashes', () => {
    expect(CONTRACT_VERSIONS.map(({ version }) => version)).toEqual(CONTRACT_VERSIONS.map((_, i) => i + 1));
    expect(CONTRACT_VERSIONS.at(-1)?.version).toBe(CONTRACT_VERSION);
    for (const { version } of CONTRACT_VERSIONS)
      expect(Object.keys(keptSchemaHashes(version))).not.toEqual([]);
    expect(CONTRACT_VERSIONS.slice(0, -1).every(({ released }) => released)).toBe(true);
  });

  it('the link’s messages are among them', async () => {
    const names = Object.keys(await wireSchemaHashes());
    expect(names).toEqual(
      expect.arrayContaining(['link-envelope/linkEnvelopeSchema', 'control-message/controlMessageSchema']),
    );
  });

  it('a hash changes with a member, its type, its bounds and whether it may be left out', () => {
    const base = schemaHash(z.strictObject({ a: z.int().max(5) }));
    const changed = [
      z.strictObject({ a: z.int().max(6) }),
      z.strictObject({ a: z.string() }),
      z.strictObject({ a: z.int().max(5).optional() }),
      z.strictObject({ a: z.int().max(5), b: z.int() }),
      z.object({ a: z.int().max(5) }),
    ];
    const hashes = changed.map(schemaHash);
    expect(hashes).not.toContain(base);
    expect(schemaHash(z.strictObject({ a: z.int().max(5) }))).toBe(base);
  });
});
