import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChildSpec } from '@featuremesh/cli/region/supervised-child';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Random } from '@featuremesh/runtime/random';

/** A SeaweedFS of one region on this machine: its folder and the first of the eight ports that it takes on loopback. */
export interface SeaweedFsPlan {
  readonly folder: string;
  readonly portBase: number;
}

/** Its parts in the order of their ports; each takes one for HTTP and one for its own protocol. */
const PARTS = ['master', 'volume', 'filer', 's3'] as const;
const HOST = '127.0.0.1';
/**
 * From SIGTERM to SIGKILL. In order it takes 15 s: its filer waits for subscriptions that its own S3 part and the filer itself hold open.
 * Its clients have ended by then, and what it acknowledged is in its files.
 */
const STOP_MS = 500;
const PROBE_MS = 1_000;

/** Where clients reach its S3 interface. */
export function s3Endpoint({ portBase }: SeaweedFsPlan): string {
  return `http://${HOST}:${portBase + 2 * PARTS.indexOf('s3')}`;
}

/** Every port of it, with its purpose. */
export function seaweedFsPorts(
  plan: SeaweedFsPlan,
): readonly { host: string; port: number; purpose: string }[] {
  return PARTS.flatMap((part, index) =>
    [0, 1].map(which => ({
      host: HOST,
      port: plan.portBase + 2 * index + which,
      purpose: `SeaweedFS ${part}`,
    })),
  );
}

/** Undefined where its S3 interface answers, else why not, in words. */
export async function s3NotReady(plan: SeaweedFsPlan): Promise<string | undefined> {
  try {
    const answer = await fetch(`${s3Endpoint(plan)}/healthz`, { signal: AbortSignal.timeout(PROBE_MS) });
    await answer.arrayBuffer();
    return answer.ok ? undefined : `it answers ${answer.status}`;
  } catch {
    return 'it does not answer';
  }
}

/** How `weed` is run: all parts in one process, with keys of the region's own (made once, 0600), and without reports to its makers. */
export async function seaweedFsChild(
  plan: SeaweedFsPlan,
  program: string,
  random: Random,
): Promise<ChildSpec> {
  const data = join(plan.folder, 'data');
  await mkdir(data, { recursive: true });
  const credentials = join(plan.folder, 's3.json');
  if (!existsSync(credentials)) await writeFileAtomic(credentials, identities(random), 0o600);
  const ports = PARTS.flatMap((part, index) => [
    `-${part}.port=${plan.portBase + 2 * index}`,
    `-${part}.port.grpc=${plan.portBase + 2 * index + 1}`,
  ]);
  return {
    name: 'objects',
    command: program,
    args: [
      '-logtostderr=true',
      'server',
      `-dir=${data}`,
      `-ip=${HOST}`,
      `-ip.bind=${HOST}`,
      '-master.telemetry=false',
      '-master.volumeSizeLimitMB=1024',
      '-volume.max=100',
      // Ten seconds in which a load balancer would notice; there is none.
      '-volume.preStopSeconds=0',
      '-filer',
      '-s3',
      `-s3.config=${credentials}`,
      // Two more interfaces that it would open on fixed ports.
      '-s3.port.iceberg=0',
      '-s3.port.lance=0',
      ...ports,
    ],
    env: process.env,
    ipc: false,
    marker: data,
    notReady: () => s3NotReady(plan),
    stopMs: STOP_MS,
  };
}

function identities(random: Random): string {
  const credentials = [{ accessKey: random.base32(20), secretKey: random.base32(40) }];
  const actions = ['Admin', 'Read', 'List', 'Tagging', 'Write'];
  return `${JSON.stringify({ identities: [{ name: 'region', credentials, actions }] }, undefined, 2)}\n`;
}
