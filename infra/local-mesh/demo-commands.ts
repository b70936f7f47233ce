import type { MeshFile } from '@featuremesh/cli/target/mesh-file';

/** A command of the list at the end of a start; each works when pasted into a shell in the repository's folder. */
export interface DemoCommand {
  readonly title: string;
  readonly command: string;
}

/** The commands that a newcomer copies, for the regions of this mesh. `dataDir` is named only where it is not the default. */
export function demoCommands(
  mesh: MeshFile,
  options: { dataDir: string | undefined },
): readonly DemoCommand[] {
  const [east, west, europe] = mesh.regions;
  if (east === undefined || west === undefined || europe === undefined) return [];
  const where = options.dataDir === undefined ? '' : ` --data-dir ${quote(options.dataDir)}`;
  const json = (value: unknown): string => quote(JSON.stringify(value));
  const two = {
    features: ['airport_delays:mean_delay_min', 'airport_profile:city'],
    keys: { airport: ['SEA', 'DEN'] },
  };
  const pinned = {
    features: ['traveller_profile:tier'],
    keys: { traveller: 't-2', residence: 'us-west-2' },
  };
  const graphql = {
    query:
      'query($keys: JSON!) { online(service: "delay_model", keys: $keys) { rows results { region group as names columns statuses source } } }',
    variables: { keys: { airport: ['SEA', 'JFK'], origin: ['SEA', 'JFK'], destination: ['JFK', 'LAX'] } },
  };
  return [
    {
      title: 'Read two groups in one request, from Europe',
      command: `npx fmesh read --region ${europe.id}${where} --features airport_delays:mean_delay_min,airport_profile:city --key airport=SEA,DEN`,
    },
    {
      title: 'The same over HTTP',
      command: `curl -s ${europe.gatewayUrl}/v1/online/read -H 'content-type: application/json' -d ${json(two)}`,
    },
    {
      title: 'GraphQL: a feature service, with one group in two roles',
      command: `curl -s ${east.graphqlUrl} -H 'content-type: application/json' -d ${json(graphql)}`,
    },
    {
      title: 'A traveller of us-west-2, asked in Europe: refused, with the gateway that may answer',
      command: `curl -s ${europe.gatewayUrl}/v1/online/read -H 'content-type: application/json' -d ${json(pinned)}`,
    },
    { title: 'Regions, links, replication lag, rows', command: `npx fmesh status${where}` },
    ...(mesh.wan === undefined
      ? []
      : [{ title: 'The network between the regions', command: `npm run wan -- show${where}` }]),
    { title: 'Why a group is where it is', command: `npx fmesh policy explain airport_delays${where}` },
  ];
}

/** The text as one word of a shell. */
export function quote(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
