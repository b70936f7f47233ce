import { expect, test } from 'vitest';
import { parseMeshOptions } from './options.ts';

test('defaults are those of the contract', () => {
  expect(parseMeshOptions([], {}, '/home/x')).toEqual({
    regions: 3,
    dataDir: '/home/x/.featuremesh',
    portBase: undefined,
    demo: true,
    demoRows: 500_000,
    wan: 'demo',
    profile: undefined,
    fresh: false,
    help: false,
  });
});

test('every option has its environment variable, and an argument wins', () => {
  const env = {
    FEATUREMESH_REGIONS: '4',
    FEATUREMESH_DATA_DIR: 'elsewhere',
    FEATUREMESH_PORT_BASE: '8000',
    FEATUREMESH_NO_DEMO: '1',
    FEATUREMESH_DEMO_ROWS: '30000',
    FEATUREMESH_WAN: 'demo',
    FEATUREMESH_PROFILE: 'full',
    FEATUREMESH_FRESH: 'true',
  };
  expect(parseMeshOptions([], env, '/x')).toMatchObject({
    regions: 4,
    dataDir: '/x/elsewhere',
    portBase: 8_000,
    demo: false,
    demoRows: 30_000,
    wan: 'demo',
    profile: 'full',
    fresh: true,
  });
  expect(parseMeshOptions(['--regions', '2', '--data-dir', '/with space/d'], env, '/x')).toMatchObject({
    regions: 2,
    dataDir: '/with space/d',
  });
});

test('mistakes name the option', () => {
  expect(() => parseMeshOptions(['--wan', 'slow'], {}, '/')).toThrow(/INVALID_REQUEST: --wan/);
  expect(() => parseMeshOptions(['--profile', 'tiny'], {}, '/')).toThrow(/INVALID_REQUEST: --profile/);
  expect(() => parseMeshOptions(['--regions', '0'], {}, '/')).toThrow(/--regions/);
  expect(() => parseMeshOptions(['--port-base', '65530'], {}, '/')).toThrow(/--port-base/);
  expect(() => parseMeshOptions(['--demo-row', '7'], {}, '/')).toThrow(/demo-row/);
});

test('delays lie between the regions of the demo, and elsewhere where they are asked for', () => {
  const wan = (...args: string[]) => parseMeshOptions(args, {}, '/').wan;
  expect(wan()).toBe('demo');
  expect(wan('--wan', 'off')).toBe('off');
  expect(wan('--no-demo')).toBe('off');
  expect(wan('--regions', '2')).toBe('off');
  expect(wan('--no-demo', '--wan', 'demo')).toBe('demo');
});
