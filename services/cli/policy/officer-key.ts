import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Officer, OfficerRole } from '@featuremesh/domain/policy';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import { generateSigningKey, writePrivateKey } from '@featuremesh/runtime/signing';

/** An officer as written: the private key in `<id>.pem` (0600), the public part in `<id>.json` for `officers:` of region.yaml. */
export interface OfficerFiles {
  readonly officer: Officer;
  readonly keyPath: string;
  readonly publicPath: string;
}

/** Paths of an officer's two files in a folder. */
export function officerPaths(folder: string, id: string): { keyPath: string; publicPath: string } {
  return { keyPath: join(folder, `${id}.pem`), publicPath: join(folder, `${id}.json`) };
}

/** Draws an officer's key and writes both files; the folder becomes 0700. Never replaces a key. */
export async function writeOfficer(
  folder: string,
  id: string,
  roles: readonly OfficerRole[],
): Promise<OfficerFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const key = generateSigningKey();
  const { keyPath, publicPath } = officerPaths(folder, id);
  writePrivateKey(keyPath, key.privateKeyPem);
  const officer = { id, publicKey: key.publicKey, roles };
  await writeFileAtomic(publicPath, `${JSON.stringify(officer, undefined, 2)}\n`);
  return { officer, keyPath, publicPath };
}
