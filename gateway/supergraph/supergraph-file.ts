import { readFileSync } from 'node:fs';

/** The committed supergraph, composed from the two contracts; `node gateway/supergraph/write.ts` renews it. */
export const supergraphFile = new URL('./supergraph.graphql', import.meta.url);

/** Reads the committed supergraph SDL; throws where the file is missing, which is a broken installation. */
export function readSupergraph(): string {
  return readFileSync(supergraphFile, 'utf8');
}
