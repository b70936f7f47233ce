import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { answersCql } from './cql-probe.ts';
import { seedNodesOf } from './node-files.ts';
import { type LocalClusterPlan, nodesOf } from './node-layout.ts';

const PLAN: LocalClusterPlan = {
  folder: 'somewhere',
  dataCentres: ['east', 'east', 'east', 'west'],
  network: 9,
  cqlPort: 9_042,
  storagePort: 7_000,
  jmxPort: 7_199,
  heapMb: 512,
  authentication: false,
  tls: false,
  commitLogSync: 'periodic',
  flushSchema: true,
  quickStart: true,
};

test('nodes have an address, a management port and a folder of their own', () => {
  const nodes = nodesOf(PLAN);
  expect(nodes.map(({ address }) => address)).toEqual(['127.0.9.1', '127.0.9.2', '127.0.9.3', '127.0.9.4']);
  expect(new Set(nodes.map(({ jmxPort }) => jmxPort)).size).toBe(4);
  expect(new Set(nodes.map(({ folder }) => folder)).size).toBe(4);
});

test('a seed stands in each data centre, since a node that is none starts only while it finds one', () => {
  expect(seedNodesOf(nodesOf(PLAN)).map(({ address }) => address)).toEqual(['127.0.9.1', '127.0.9.4']);
});

test('tokens divide the ring within each data centre and are never equal', () => {
  const nodes = nodesOf(PLAN);
  expect(new Set(nodes.map(({ token }) => token)).size).toBe(4);
  const east = nodes.filter(({ dataCentre }) => dataCentre === 'east').map(({ token }) => BigInt(token));
  const [first = 0n, second = 0n, third = 0n] = east;
  const share = 2n ** 64n / 3n;
  for (const gap of [second - first, third - second]) expect(Number(gap - share)).toBeLessThanOrEqual(1);
});

test('a server that accepts and does not answer, or answers something else, does not answer CQL', async () => {
  for (const answer of [undefined, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]) {
    const server = createServer(socket => {
      socket.on('error', () => undefined).resume();
      if (answer !== undefined) socket.write(answer);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await answersCql('127.0.0.1', port, 200)).toBe(false);
    await new Promise(resolve => server.close(resolve));
    expect(await answersCql('127.0.0.1', port, 200)).toBe(false);
  }
});
