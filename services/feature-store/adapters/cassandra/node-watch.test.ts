import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { NodeWatch, type WatchedClient } from './node-watch.ts';

test('who is away is told by address and data centre, and who went and returned between two looks is counted', () => {
  const up = new Set(['192.0.2.1:9042', '192.0.2.2:9042']);
  const hosts = ['192.0.2.2:9042', '192.0.2.1:9042'].map((address, at) => ({
    address,
    datacenter: `dc${2 - at}`,
    isUp: () => up.has(address),
  }));
  const client = Object.assign(new EventEmitter(), { hosts: { values: () => hosts } });
  const watch = new NodeWatch(client as unknown as WatchedClient);
  expect(watch.states()).toEqual({ away: [], departures: 0 });
  up.clear();
  client.emit('hostDown');
  client.emit('hostDown');
  expect(watch.states()).toEqual({
    away: ['192.0.2.1:9042 of dc1', '192.0.2.2:9042 of dc2'],
    departures: 2,
  });
  up.add('192.0.2.1:9042').add('192.0.2.2:9042');
  expect(watch.states()).toEqual({ away: [], departures: 2 });
});
