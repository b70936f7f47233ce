import { existsSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRegionConfig } from '@featuremesh/contracts/region-config';
import type { Officer } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { isRegionId } from '@featuremesh/domain/region-id';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import { ensureNatsSecrets } from '@featuremesh/runtime/broker-secrets';
import { ensureInternalToken } from '@featuremesh/runtime/internal-token';
import type { Random } from '@featuremesh/runtime/random';
import { generateSigningKey, writePrivateKey } from '@featuremesh/runtime/signing';
import { parse } from 'yaml';
import { createLinkKey } from './link-key.ts';

/** First port of a region where none is given; each region takes ten. */
export const DEFAULT_PORT_BASE = 7_400;
/** Ports from the base that a region may use. */
export const PORTS_PER_REGION = 10;

/** What `fmesh region init` is told. */
export interface RegionPlan {
  readonly id: string;
  readonly jurisdiction: string;
  readonly cloud: string;
  readonly location: string;
  readonly directory: string;
  readonly portBase: number;
  /** Service processes of the region. */
  readonly services: number;
  readonly officers: readonly Officer[];
}

/** What was written. */
export interface ScaffoldedRegion {
  readonly configPath: string;
  /** Base64 of the public signing key. */
  readonly publicKey: string;
}

/** Writes `region.yaml` and `keys/` (0700) of a new region. INVALID_REQUEST where there is one already or the id is malformed. */
export async function scaffoldRegion(plan: RegionPlan, random: Random): Promise<ScaffoldedRegion> {
  if (!isRegionId(plan.id)) {
    throw new ProblemError(problem('INVALID_REQUEST', 'a region id is 1 to 24 of a-z, 0-9 and -'));
  }
  const text = regionYaml(plan);
  const parsed = parseRegionConfig(parse(text));
  if (!parsed.ok) throw new ProblemError({ ...parsed.problem, code: 'INVALID_REQUEST' });
  const configPath = join(plan.directory, 'region.yaml');
  if (existsSync(configPath)) {
    throw new ProblemError(problem('INVALID_REQUEST', `${configPath} exists already; it is never replaced`));
  }
  const keys = join(plan.directory, 'keys');
  await mkdir(keys, { recursive: true, mode: 0o700 });
  await chmod(keys, 0o700);
  const signing = generateSigningKey();
  writePrivateKey(join(keys, 'signing.pem'), signing.privateKeyPem);
  writePrivateKey(join(keys, 'link.nk'), `${createLinkKey().seed}\n`);
  ensureInternalToken(join(keys, 'internal.token'), random);
  await ensureNatsSecrets(join(keys, 'nats.json'), random);
  await writeFileAtomic(configPath, text);
  return { configPath, publicKey: signing.publicKey };
}

/** The text of a new region.yaml; every value that a person may want to change stands there with a word on it. */
export function regionYaml(plan: RegionPlan): string {
  const at = (offset: number): string => `127.0.0.1:${plan.portBase + offset}`;
  return `# A region of featuremesh. Run it with: fmesh region serve --config region.yaml
# Join another region with: fmesh region invite --config region.yaml --for REGION --out invitation.json
id: ${plan.id}
jurisdiction: ${quote(plan.jurisdiction)}
cloud: ${quote(plan.cloud)}
location: ${quote(plan.location)}

# Nothing binds beyond loopback before \`auth\` and \`tls\` are configured.
listen:
  http: ${at(0)}
  gateway: ${at(1)}
  sync: ${at(4)}

# What other regions and clients are told.
publicUrl: http://${at(0)}
publicGatewayUrl: http://${at(1)}

# Service processes; process n > 0 listens at the port of listen.http + 5 + n.
services: ${plan.services}
dataDir: data
store:
  type: lmdb
# Definitions and policies.
registry:
  type: lmdb
objects:
  type: filesystem

nats:
  embedded:
    client: ${at(2)}
    # Peers connect here.
    leaf: ${at(3)}
  # Copies of the change log; with 1, losing this machine's disk loses rows that no peer holds yet.
  feedReplicas: 1

# Private; never copied to another region.
keys:
  signing: keys/signing.pem
  link: keys/link.nk
  internal: keys/internal.token
  natsSecrets: keys/nats.json

# Written by \`fmesh region add\`.
peers: []

# The only root of trust for policies: who may propose (owner) and approve (compliance).
officers:${officersYaml(plan.officers)}

# Without authentication every caller on this machine holds every jurisdiction and purpose.
auth:
  type: none
`;
}

function officersYaml(officers: readonly Officer[]): string {
  if (officers.length === 0) return ' []';
  return officers
    .map(
      officer =>
        `\n  - {id: ${quote(officer.id)}, publicKey: ${quote(officer.publicKey)}, roles: [${officer.roles.join(', ')}]}`,
    )
    .join('');
}

function quote(text: string): string {
  return /^[A-Za-z][\w. -]*$/.test(text) && !/^(true|false|yes|no|on|off|null)$/i.test(text)
    ? text
    : JSON.stringify(text);
}
