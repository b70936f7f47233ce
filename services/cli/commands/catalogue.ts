import { deprecationText } from '@featuremesh/domain/group-changes';
import type { Command } from 'commander';
import { z } from 'zod';
import { type CliWorld, type CommandRun, runs, textOption, withRegionOptions } from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { parsed } from '../http/admin-client.ts';
import type { JsonClient } from '../http/json-client.ts';
import { table } from '../output.ts';
import { regionClient, token } from '../target/region-target.ts';
import { type PurgeReceipt, purgeReceipts, purgeText } from './purge-receipts.ts';

const deprecationSchema = z
  .object({ since: z.string(), successor: z.string().exactOptional(), reason: z.string().exactOptional() })
  .nullable();
const groupSchema = z.looseObject({
  id: z.string(),
  home: z.string(),
  name: z.string(),
  version: z.number(),
  revision: z.number(),
  aliases: z.array(z.string()),
  state: z.string(),
  description: z.string().nullable(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  tags: z.array(z.string()),
  deprecated: deprecationSchema,
  entities: z.array(z.string()),
  joinKeys: z.array(z.looseObject({ name: z.string(), type: z.string(), role: z.string().optional() })),
  features: z.array(
    z.looseObject({
      name: z.string(),
      type: z.string(),
      nullable: z.boolean(),
      description: z.string().nullable(),
    }),
  ),
  maxAgeMs: z.number().nullable(),
  sync: z.looseObject({ mode: z.string() }),
  placement: z.looseObject({ regions: z.array(z.string()), rows: z.string(), replicated: z.boolean() }),
});
const serviceSchema = z.looseObject({
  home: z.string(),
  name: z.string(),
  version: z.number(),
  description: z.string().nullable(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  tags: z.array(z.string()),
  deprecated: deprecationSchema,
  features: z.array(
    z.looseObject({ group: z.string(), as: z.string().optional(), features: z.array(z.string()) }),
  ),
});
const nodesSchema = z.array(
  z.looseObject({ kind: z.string(), name: z.string(), distance: z.number(), state: z.string() }),
);
const describedGroupSchema = groupSchema.extend({
  versions: z.array(z.looseObject({ version: z.number(), aliases: z.array(z.string()), state: z.string() })),
  lineage: z.looseObject({
    upstream: nodesSchema,
    downstream: nodesSchema,
    columns: z.array(
      z.looseObject({ feature: z.string(), from: z.array(z.string()), usedBy: z.array(z.string()) }),
    ),
    truncated: z.boolean(),
  }),
});
const describedServiceSchema = serviceSchema.extend({ lineage: z.looseObject({ upstream: nodesSchema }) });
const groupListSchema = z.looseObject({ groups: z.array(groupSchema), next: z.string().nullable() });
const serviceListSchema = z.looseObject({ services: z.array(serviceSchema), next: z.string().nullable() });

type Group = z.infer<typeof describedGroupSchema>;
type Service = z.infer<typeof describedServiceSchema>;

/** `fmesh list` and `fmesh describe`: the catalogue as one region knows it. */
export function registerCatalogue(program: Command, world: CliWorld): void {
  const list = withRegionOptions(program.command('list'))
    .description('feature groups and services of the mesh, as the region knows them')
    .option('--text <words>', 'in name, description, owner, team, tags, entities, sources or features')
    .option('--tag <tag>', 'with this tag')
    .option('--owner <owner>', 'of this owner')
    .option('--team <team>', 'of this team')
    .option('--entity <name>', 'groups about this entity')
    .option('--held-in <region>', 'groups whose rows this region holds')
    .option('--home <region>', 'at home in this region')
    .addHelpText(
      'after',
      '\nExamples:\n  fmesh list\n  fmesh list --tag demo --held-in eu-west-1\n  fmesh list --text delay --region eu-west-1 --json',
    );
  runs(world, list, run => withClient(run, listAll));
  const describe = withRegionOptions(program.command('describe <name>'))
    .description('one feature group ([home/]group[@vN]) or service')
    .option('--service', 'the name is that of a service')
    .addHelpText(
      'after',
      '\nExamples:\n  fmesh describe airport_delays\n  fmesh describe delay_model --service',
    );
  runs(world, describe, run => withClient(run, describeOne));
}

async function listAll(run: CommandRun, client: JsonClient): Promise<ExitCode> {
  const filter = FILTERS.flatMap(([option, name]): [string, string][] => {
    const value = textOption(run, option);
    return value === undefined ? [] : [[name, value]];
  });
  const [groups, services]: [z.infer<typeof groupSchema>[], z.infer<typeof serviceSchema>[]] = [[], []];
  const more = await eachPage(client, '/v1/groups', filter, value => {
    const page = parsed(groupListSchema, value);
    groups.push(...page.groups);
    return page.next;
  });
  const moreServices = await eachPage(client, '/v1/services', filter, value => {
    const page = parsed(serviceListSchema, value);
    services.push(...page.services);
    return page.next;
  });
  if (more || moreServices)
    run.output.note(`only the first ${MAX_PAGES} pages are listed; narrow the search`);
  run.output.result({ groups, services }, () =>
    [
      table(
        ['group', 'version', 'state', 'entities', 'sync', 'rows', 'placement', 'owner', 'team'],
        groups.map(one => [
          `${one.home}/${one.name}`,
          [`v${one.version}`, ...one.aliases].join(' '),
          one.deprecated === null || one.state !== 'active' ? one.state : 'deprecated',
          one.entities.join(' '),
          one.sync.mode,
          one.placement.rows,
          one.placement.regions.join(' '),
          one.owner ?? '',
          one.team ?? '',
        ]),
      ),
      table(
        ['service', 'version', 'groups'],
        services.map(one => [
          `${one.home}/${one.name}`,
          one.version,
          one.features.map(part => part.as ?? part.group).join(' '),
        ]),
      ),
    ].join('\n\n'),
  );
  return EXIT.done;
}

/** Pages of one listing: 10,000 groups, more than a person looks through. */
const MAX_PAGES = 10;

/** Options of `list` and the members of the query that they become. */
const FILTERS = [
  ['text', 'text'],
  ['tag', 'tag'],
  ['owner', 'owner'],
  ['team', 'team'],
  ['entity', 'entity'],
  ['heldIn', 'region'],
  ['home', 'home'],
] as const;

/** Reads a listing page by page; true where there is more than is read. */
async function eachPage(
  client: JsonClient,
  path: string,
  filter: readonly [string, string][],
  take: (page: unknown) => string | null,
): Promise<boolean> {
  let after: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = new URLSearchParams([...filter]);
    query.set('first', '1000');
    if (after !== null) query.set('after', after);
    after = take(await client.get(`${path}?${query}`));
    if (after === null) return false;
  }
  return true;
}

async function describeOne(run: CommandRun, client: JsonClient): Promise<ExitCode> {
  const path = String(run.args[0]).split('/').map(encodeURIComponent).join('/');
  if (run.options['service'] === true) {
    const service = parsed(describedServiceSchema, await client.get(`/v1/services/${path}`));
    run.output.result(service, () => drawService(service));
    return EXIT.done;
  }
  const group = parsed(describedGroupSchema, await client.get(`/v1/groups/${path}`));
  if (group.state !== 'purged') {
    run.output.result(group, () => drawGroup(group));
    return EXIT.done;
  }
  const purge = await purgeReceipts(client, token(run), group);
  run.output.result({ ...group, purge }, () => drawGroup(group, purge));
  return EXIT.done;
}

function drawGroup(one: Group, purge: readonly PurgeReceipt[] = []): string {
  const keys = one.joinKeys
    .map(key => `${key.name} ${key.type}${key.role === undefined ? '' : ` (${key.role})`}`)
    .join(', ');
  const features = one.features.map((feature, i) => [
    `  ${feature.name}`,
    feature.type,
    feature.nullable ? 'nullable' : 'required',
    one.lineage.columns[i]?.from.join(', ') ?? '',
    one.lineage.columns[i]?.usedBy.join(', ') ?? '',
    feature.description ?? '',
  ]);
  const versions = one.versions.map(({ version, aliases, state }) =>
    [`v${version}`, ...(state === 'active' ? [] : [state]), ...aliases].join(' '),
  );
  return [
    `${one.home}/${one.name}@v${one.version} revision ${one.revision} (${[one.state, ...one.aliases].join(', ')})`,
    one.description ?? '',
    ownerLine(one),
    one.deprecated === null ? '' : `  DEPRECATED ${deprecationText(one.deprecated)}`,
    `  keys       ${keys}`,
    `  max age    ${one.maxAgeMs === null ? 'none' : `${one.maxAgeMs / 1_000} s`}`,
    `  sync       ${one.sync.mode}; placement ${one.placement.regions.join(', ')}; rows ${one.placement.rows}`,
    `  versions   ${versions.join(', ')}`,
    ...(purge.length === 0
      ? []
      : [`  purged     ${purge.map(part => `${part.region} ${purgeText(part)}`).join('; ')}`]),
    ...streamLines('upstream', one.lineage.upstream),
    ...streamLines('downstream', one.lineage.downstream),
    one.lineage.truncated ? '  (the lineage is longer than what is listed)' : '',
    table(['  feature', 'type', '', 'from', 'used by', 'description'], features),
    `Next: fmesh policy explain ${one.home}/${one.name}`,
  ]
    .filter(line => line !== '')
    .join('\n');
}

/** `  upstream   group us-east-1/raw@v1`, what is farther away with its distance. */
function streamLines(name: string, nodes: z.infer<typeof nodesSchema>): readonly string[] {
  if (nodes.length === 0) return [];
  const texts = nodes.map(({ kind, name: node, distance, state }) => {
    const remarks = [...(distance > 1 ? [`${distance} steps`] : []), ...(state === 'active' ? [] : [state])];
    return `${kind} ${node}${remarks.length === 0 ? '' : ` (${remarks.join(', ')})`}`;
  });
  return [`  ${name.padEnd(10)} ${texts.join('; ')}`];
}

function ownerLine({ owner, team, tags }: Pick<Group, 'owner' | 'team' | 'tags'>): string {
  return `  owner      ${owner ?? '-'}; team ${team ?? '-'}; tags ${tags.join(', ') || '-'}`;
}

function drawService(one: Service): string {
  const rows = one.features.map(part => [
    `  ${part.group}`,
    part.as ?? '',
    part.features.join(', ') || 'all',
  ]);
  return [
    `${one.home}/${one.name}@v${one.version}`,
    one.description ?? '',
    ownerLine(one),
    one.deprecated === null ? '' : `  DEPRECATED ${deprecationText(one.deprecated)}`,
    ...streamLines('upstream', one.lineage.upstream),
    table(['  group', 'as', 'features'], rows),
  ]
    .filter(line => line !== '')
    .join('\n');
}

async function withClient(
  run: CommandRun,
  work: (run: CommandRun, client: JsonClient) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { client } = regionClient(run);
  try {
    return await work(run, client);
  } finally {
    await client.close();
  }
}
