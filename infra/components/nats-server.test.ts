import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ComponentMissing } from './component-missing.ts';
import { locateNatsServer } from './nats-server.ts';

let scratch = '';

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'featuremesh-components-'));
  vi.stubEnv('FEATUREMESH_CACHE', join(scratch, 'cache'));
  vi.stubEnv('FEATUREMESH_NATS_SERVER', '');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(scratch, { recursive: true, force: true });
});

test('a named binary that is no file is refused by its name', async () => {
  vi.stubEnv('FEATUREMESH_NATS_SERVER', join(scratch, 'nothing'));
  await expect(locateNatsServer()).rejects.toThrow(/FEATUREMESH_NATS_SERVER names no file/);
});

test('without python, network and cache the missing thing and the remedy are named', async () => {
  vi.stubEnv('PATH', scratch);
  const refusal = await locateNatsServer().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ComponentMissing);
  expect(String(refusal)).toMatch(/nats-server: python3 could not obtain it/);
  expect(String(refusal)).toMatch(/What to do: put nats-server 2\.15\.1 on the PATH/);
});
