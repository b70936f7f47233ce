import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { z } from 'zod';
import type { Random } from './random.ts';

/**
 * Users of a region's own broker. `service` and `sync` live in the region's account, `system` may only reload; `relay` and
 * `links` are the two ends of a link's outgoing account (publish what policy permits; keep its streams), `import` its incoming one.
 */
export type BrokerUser =
  | 'service'
  | 'sync'
  | 'system'
  | `relay.${string}`
  | `links.${string}`
  | `import.${string}`;

/** 26 base32 characters are 130 bits. */
const SECRET_CHARACTERS = 26;

const secretsSchema = z.strictObject({ version: z.literal(1), root: z.string().regex(/^[a-z2-7]{26,}$/) });

/** The secret that all passwords of a region's own broker are derived from; kept in one file of mode 0600. */
export type NatsSecrets = z.infer<typeof secretsSchema>;

/** Reads the region's broker secret, making one where there is none. INVALID_CONFIG where the file is malformed. */
export async function ensureNatsSecrets(path: string, random: Random): Promise<NatsSecrets> {
  if (!existsSync(path)) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const secrets: NatsSecrets = { version: 1, root: random.base32(SECRET_CHARACTERS) };
    await writeFile(path, `${JSON.stringify(secrets)}\n`, { mode: 0o600, flag: 'wx' });
    return secrets;
  }
  return readNatsSecrets(path);
}

/** Reads the region's broker secret. INVALID_CONFIG where it is missing or malformed. */
export async function readNatsSecrets(path: string): Promise<NatsSecrets> {
  try {
    return secretsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new ProblemError(
      problem(
        'INVALID_CONFIG',
        `${path} does not hold the broker's secrets; \`fmesh region init\` writes it`,
      ),
      { cause },
    );
  }
}

/** The password of a user: derived from the region's secret, so that one file of mode 0600 is all there is to keep. */
export function brokerPassword(secrets: NatsSecrets, user: BrokerUser): string {
  return createHmac('sha256', secrets.root).update(`featuremesh-broker-1 ${user}`).digest('base64url');
}
