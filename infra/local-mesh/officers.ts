import { existsSync, readFileSync } from 'node:fs';
import type { Signer } from '@featuremesh/cli/http/admin-client';
import { officerPaths, writeOfficer } from '@featuremesh/cli/policy/officer-key';
import type { Officer, OfficerRole } from '@featuremesh/domain/policy';
import { readPrivateKey } from '@featuremesh/runtime/signing';
import { z } from 'zod';

const DEVELOPMENT_OFFICERS: readonly { readonly id: string; readonly roles: readonly OfficerRole[] }[] = [
  { id: 'owner', roles: ['owner'] },
  { id: 'officer-1', roles: ['compliance'] },
  { id: 'officer-2', roles: ['compliance'] },
];

const officerSchema = z.object({
  id: z.string(),
  publicKey: z.string(),
  roles: z.array(z.enum(['owner', 'compliance'])),
});

/** The people of the demo: one who writes policies, two who approve them; keys in a folder of mode 0700. */
export interface DevelopmentOfficers {
  readonly officers: readonly Officer[];
  readonly author: Signer;
  readonly approvers: readonly Signer[];
}

/** Makes the development officers at first start; later starts read them. */
export async function ensureOfficers(folder: string): Promise<DevelopmentOfficers> {
  const made: { officer: Officer; signer: Signer }[] = [];
  for (const { id, roles } of DEVELOPMENT_OFFICERS) {
    const { keyPath, publicPath } = officerPaths(folder, id);
    if (!existsSync(keyPath)) await writeOfficer(folder, id, roles);
    const officer = officerSchema.parse(JSON.parse(readFileSync(publicPath, 'utf8')));
    made.push({ officer, signer: { officer: id, privateKeyPem: readPrivateKey(keyPath) } });
  }
  const [author, ...approvers] = made.map(one => one.signer);
  if (author === undefined) throw new TypeError('no development officers are listed');
  return { officers: made.map(one => one.officer), author, approvers };
}
