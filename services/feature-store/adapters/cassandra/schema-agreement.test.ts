import type { types } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { type SchemaClient, untilSchemaAgrees } from './schema-agreement.ts';

/** A node as it is known: what it says of itself, and what it has told the others. */
interface Node {
  own: string;
  told: string | null;
  up?: boolean;
}

/** A cluster whose nodes stand at `10.0.0.1:9042` and following; `asked` lists whom a statement went to. */
function clusterOf(nodes: readonly Node[]): { client: SchemaClient; asked: string[] } {
  const hosts = nodes.map((node, at) => ({
    address: `10.0.0.${at + 1}:9042`,
    isUp: () => node.up !== false,
  }));
  const asked: string[] = [];
  const execute = (query: string, _values: unknown, options: { host?: { address: string } }) => {
    const queriedHost = options.host?.address ?? hosts.find(host => host.isUp())?.address ?? '';
    asked.push(queriedHost);
    const at = hosts.findIndex(({ address }) => address === queriedHost);
    const rows = query.includes('system.local')
      ? [{ schema_version: nodes[at]?.own }]
      : nodes.flatMap(({ told }, other) =>
          other === at ? [] : [{ rpc_address: `10.0.0.${other + 1}`, schema_version: told }],
        );
    return Promise.resolve({ rows, info: { queriedHost } } as unknown as types.ResultSet);
  };
  return { client: { execute, hosts: { values: () => hosts } } as unknown as SchemaClient, asked };
}

/** A timer on which `sleep` does `meanwhile` instead of waiting. */
const timerThat = (meanwhile: (sleeps: number) => void) => {
  let sleeps = 0;
  return {
    sleep: async () => {
      sleeps += 1;
      meanwhile(sleeps);
    },
    every: () => expect.fail('nothing is repeated'),
  };
};
const NEVER = timerThat(() => undefined);

test('a node that names the new version before it has made the tables is not taken at its word', async () => {
  const late: Node = { own: 'new', told: 'old' };
  const { client, asked } = clusterOf([late, { own: 'new', told: 'new' }]);
  const timer = timerThat(sleeps => {
    if (sleeps === 3) late.told = 'new';
  });
  expect(await untilSchemaAgrees(client, timer, '10.0.0.2:9042')).toBe(true);
  expect(late.told).toBe('new');
  expect(new Set(asked)).toEqual(new Set(['10.0.0.2:9042']));
});

test('nodes that stay apart do not agree; one that is down, or has never told its version, is not waited for', async () => {
  const apart = [
    { own: 'new', told: 'new' },
    { own: 'old', told: 'old' },
  ];
  expect(await untilSchemaAgrees(clusterOf(apart).client, NEVER, '10.0.0.1:9042')).toBe(false);
  const away = [...apart.slice(0, 1), { own: 'old', told: 'old', up: false }, { own: 'new', told: null }];
  expect(await untilSchemaAgrees(clusterOf(away).client, NEVER, '10.0.0.1:9042')).toBe(true);
});

test('where the node that changed the schema went away, another is asked; both questions go to one node', async () => {
  const { client, asked } = clusterOf([
    { own: 'new', told: 'new', up: false },
    { own: 'new', told: 'new' },
    { own: 'new', told: 'new' },
  ]);
  expect(await untilSchemaAgrees(client, NEVER, '10.0.0.1:9042')).toBe(true);
  expect(asked).toEqual(['10.0.0.2:9042', '10.0.0.2:9042']);
});
