import { parseRegionConfig } from '@featuremesh/contracts/region-config';
import { expect, test } from 'vitest';
import { regionParts } from './region-parts.ts';

function parts(env: NodeJS.ProcessEnv, more: Readonly<Record<string, unknown>> = {}) {
  const config = parseRegionConfig({
    id: 'us-east-1',
    jurisdiction: 'US',
    cloud: 'test',
    listen: { http: '127.0.0.1:1', gateway: '127.0.0.1:2', sync: '127.0.0.1:3' },
    publicUrl: 'http://127.0.0.1:1',
    publicGatewayUrl: 'http://127.0.0.1:2',
    dataDir: 'there/data',
    nats: { embedded: { client: '127.0.0.1:4', leaf: '127.0.0.1:5' } },
    ...more,
  });
  if (!config.ok) throw new Error(JSON.stringify(config.problem));
  const broker = { program: 'nats-server', configPath: 'nats.conf' };
  return regionParts({ config: config.value, configPath: 'region.yaml', env, broker });
}

test('in a drill all of a region’s programs but the broker take their clock from one file, and otherwise none does', () => {
  const offsetFiles = (env: NodeJS.ProcessEnv) =>
    parts(env).map(({ name, env: given }) => [name, given['FEATUREMESH_CLOCK_OFFSET_FILE']]);
  expect(offsetFiles({ FEATUREMESH_CLOCK_DRILL: '1' })).toEqual([
    ['nats', undefined],
    ['sync', 'there/data/run/clock-offset-ms'],
    ['service-0', 'there/data/run/clock-offset-ms'],
    ['gateway', 'there/data/run/clock-offset-ms'],
  ]);
  expect(offsetFiles({}).map(([, file]) => file)).toEqual([undefined, undefined, undefined, undefined]);
});

test('a service process that goes on for a grace is waited for longer', () => {
  const stopMs = (more: Readonly<Record<string, unknown>>) =>
    parts({}, more).find(({ name }) => name === 'service-0')?.stopMs ?? 0;
  expect(stopMs({ services: 2 }) - stopMs({})).toBe(1_000);
  expect(stopMs({ services: 2, drainGraceMs: 20_000 }) - stopMs({})).toBe(20_000);
  expect(stopMs({ drainGraceMs: 500 }) - stopMs({})).toBe(500);
});
