import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OUT_LINK_SUBJECT } from '@featuremesh/domain/subjects';

/** Where the broker's files of a region stand. */
export interface BrokerFiles {
  readonly configPath: string;
  /** Holds one file per peer that says what its relay may publish; the sync agent rewrites them. */
  readonly linksFolder: string;
}

/** The broker's files below a region's data folder; the supervisor and the sync agent agree on them. */
export function brokerFiles(dataDir: string): BrokerFiles {
  const folder = join(dataDir, 'nats');
  return { configPath: join(folder, 'nats.conf'), linksFolder: join(folder, 'links') };
}

/** The file of one peer's relay permissions. */
export function relayFile(files: BrokerFiles, peer: string): string {
  return join(files.linksFolder, `${peer}.conf`);
}

/** What a relay to one peer may publish, as broker configuration: the link's own subject and permitted groups, nothing else (R2). */
export function relayPermissions(subjects: readonly string[]): string {
  return `allow: ${JSON.stringify([OUT_LINK_SUBJECT, ...subjects])}\n`;
}

/** Writes beside the target (mode 0600) and renames: a reader never sees half a file. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
