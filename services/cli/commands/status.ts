import type { SyncStatus } from '@featuremesh/contracts/admin-regions';
import { ProblemError } from '@featuremesh/domain/problem';
import type { Command } from 'commander';
import { type CliWorld, type CommandRun, runs, textOption, withRegionOptions } from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { syncStatus } from '../http/admin-client.ts';
import { JsonClient } from '../http/json-client.ts';
import { table } from '../output.ts';
import { healthReason } from '../region/region-parts.ts';
import { regionTarget, runningMesh, token } from '../target/region-target.ts';
import { purgeText } from './purge-receipts.ts';

interface RegionState {
  readonly id: string;
  readonly url: string;
  readonly service: string;
  readonly gateway: string;
  readonly sync: SyncStatus | null;
}

/** `fmesh status`: regions, links, lag and rows, of one region or of the whole local mesh. */
export function registerStatus(program: Command, world: CliWorld): void {
  const command = withRegionOptions(program.command('status'))
    .description('regions, links, replication lag, rows')
    .addHelpText(
      'after',
      `
Without --region it shows every region of the local mesh. Exit status 6 where something is not healthy.

Examples:
  fmesh status
  fmesh status --region eu-west-1 --json`,
    );
  runs(world, command, status);
}

async function status(run: CommandRun): Promise<ExitCode> {
  const all = textOption(run, 'region') === undefined ? runningMesh(run)?.regions : undefined;
  const targets = all ?? [regionTarget(run)];
  const states = await Promise.all(targets.map(target => stateOf(target, token(run))));
  run.output.result({ regions: states }, () => draw(states));
  const healthy = states.every(
    state =>
      state.service === 'ready' &&
      state.gateway === 'ready' &&
      state.sync?.links.every(link => link.connected),
  );
  return healthy ? EXIT.done : EXIT.partly;
}

async function stateOf(
  target: { id: string | undefined; url: string; gatewayUrl: string },
  bearer: string | undefined,
): Promise<RegionState> {
  const client = new JsonClient(target.url, bearer);
  try {
    const [service, gateway, sync] = await Promise.all([
      healthReason(target.url),
      healthReason(target.gatewayUrl),
      syncStatus(client).catch((error: unknown) => {
        if (error instanceof ProblemError) return null;
        throw error;
      }),
    ]);
    return {
      id: sync?.region ?? target.id ?? target.url,
      url: target.url,
      service: service ?? 'ready',
      gateway: gateway ?? 'ready',
      sync,
    };
  } finally {
    await client.close();
  }
}

function draw(states: readonly RegionState[]): string {
  const regions = table(
    ['region', 'service', 'gateway', 'url'],
    states.map(one => [one.id, one.service, one.gateway, one.url]),
  );
  const links = states.flatMap(one =>
    (one.sync?.links ?? []).map(link => [
      one.id,
      link.direction === 'in' ? `← ${link.peer}` : `→ ${link.peer}`,
      link.connected ? 'up' : 'DOWN',
      lagText(link.lagMs),
      link.pendingBatches,
      link.direction === 'in' ? link.importedRows : link.shippedRows,
      link.heldBatches,
      link.lastError ?? '',
    ]),
  );
  const groups = states.flatMap(one =>
    (one.sync?.groups ?? []).map(group => [
      one.id,
      `${group.group}@v${group.version}`,
      rowsText(group, one.id),
      group.replicated ? lagText(group.lagMs) : 'not replicated',
      group.placement.join(' '),
    ]),
  );
  return [
    regions,
    table(['region', 'link', 'state', 'lag', 'waiting', 'rows', 'held', 'last error'], links),
    table(['region', 'group', 'rows', 'lag', 'placement'], groups),
    ...states.flatMap(rebuildLines),
  ].join('\n\n');
}

function rowsText({ rows, placement, purge }: SyncStatus['groups'][number], region: string): string | number {
  if (purge !== null) return `purged: ${purgeText(purge)}`;
  return rows ?? (placement.includes(region) ? '?' : 'not held');
}

/** What became of an online store that was lost, where it was. */
function rebuildLines({ id, sync }: RegionState): readonly string[] {
  const { awaited = [], lost = [] } = sync?.rebuild ?? {};
  return [
    ...awaited.map(one => `${id}: ${one.group}@v${one.version} is rebuilt from ${one.peers.join(', ')}`),
    ...lost.map(one => `${id}: ${one.rows} rows of ${one.group}@v${one.version} are lost`),
  ];
}

function lagText(lagMs: number | null): string {
  return lagMs === null ? '-' : `${Math.round(lagMs)} ms`;
}
