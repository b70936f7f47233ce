import { expect, test } from 'vitest';
import { parseMeshOptions } from './options.ts';

test('defaults are those of the contract', () => {
  expect(parseMeshOptions([], {}, '/home/x')).toEqual({
    regions: 3,
    dataDir: '/home/x/.featuremesh',
    portBase: undefined,
    demo: true,
    demoRows: 500_000,
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
    FEATUREMESH_FRESH: 'true',
  };
  expect(parseMeshOptions([], env, '/x')).toMatchObject({
    regions: 4,
    dataDir: '/x/elsewhere',
    portBase: 8_000,
    demo: false,
    demoRows: 30_000,
    fresh: true,
  });
  expect(parseMeshOptions(['--regions', '2', '--data-dir', '/with space/d'], env, '/x')).toMatchObject({
    regions: 2,
    dataDir: '/with space/d',
  });
});

test('parts that come later are refused by name, and mistakes name the option', () => {
  expect(() => parseMeshOptions(['--profile', 'full'], {}, '/')).toThrow(/NOT_YET_SUPPORTED: --profile full/);
  expect(() => parseMeshOptions([], { FEATUREMESH_WAN: 'demo' }, '/')).toThrow(
    /NOT_YET_SUPPORTED: --wan demo/,
  );
  expect(() => parseMeshOptions(['--profile', 'tiny'], {}, '/')).toThrow(/INVALID_REQUEST/);
  expect(() => parseMeshOptions(['--regions', '0'], {}, '/')).toThrow(/--regions/);
  expect(() => parseMeshOptions(['--port-base', '65530'], {}, '/')).toThrow(/--port-base/);
  expect(() => parseMeshOptions(['--demo-row', '7'], {}, '/')).toThrow(/demo-row/);
});
