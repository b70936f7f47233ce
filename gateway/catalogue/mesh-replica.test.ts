import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { regionId } from '@featuremesh/domain/region-id';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemTimer } from '@featuremesh/runtime/timer';
import { expect, test, vi } from 'vitest';
import { groupOf, regionOf, stateOf } from '../testing/mesh-fixture.ts';
import { MeshReplica, type MeshStateSource } from './mesh-replica.ts';
import { SavedStateFile } from './saved-state.ts';

const REGION = regionId('us-east-1');

function state(revision: number, groups: readonly string[] = []): MeshState {
  return stateOf(REGION, {
    regions: [regionOf(REGION, 'US', 'http://us.test')],
    groups: groups.map(name => groupOf({ name, home: REGION })),
    revision,
  });
}

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'fm-replica-'));
}

function replica(path: string, source: MeshStateSource, nowMs: () => number = () => 5_000): MeshReplica {
  return new MeshReplica({
    region: REGION,
    source,
    file: new SavedStateFile(path),
    clock: { nowMs, nowUs: () => 0n },
    timer: systemTimer,
    log: createLogger({}, { level: 'silent' }),
  });
}

const never: MeshStateSource = async (_, signal) => {
  await systemTimer.sleep(60_000, signal);
  return undefined;
};

test('follows revisions, tells listeners once per change, and keeps the last state in its file', async () => {
  const path = join(folder(), 'run', 'state.json');
  const states = [state(3, ['a']), state(3, ['a']), undefined, state(4, ['a', 'b'])];
  const asked: (number | undefined)[] = [];
  const following = replica(path, async (after, signal) => {
    asked.push(after);
    return states.length > 0 ? states.shift() : never(after, signal);
  });
  const told: number[] = [];
  following.onChange(({ revision }) => told.push(revision));
  following.start();
  await vi.waitFor(() => expect(asked).toEqual([undefined, 3, 3, 3, 4]));
  await following.stop();
  expect(told).toEqual([3, 4]);
  expect(following.view()?.catalogue.group('b').ok).toBe(true);
  expect(new SavedStateFile(path).load(REGION)?.state.revision).toBe(4);
  expect(readdirSync(join(path, '..'))).toEqual(['state.json']);
});

test('starts from the saved state with its age while the service is away, and asks for everything when it is back', async () => {
  const path = join(folder(), 'state.json');
  new SavedStateFile(path).save({ state: state(9, ['a']), confirmedAtMs: 2_000 });
  let isDown = true;
  const asked: (number | undefined)[] = [];
  const following = replica(path, async (after, signal) => {
    asked.push(after);
    if (isDown) throw new Error('down');
    return after === undefined ? state(2, ['anew']) : never(after, signal);
  });
  expect(following.view()?.state.revision).toBe(9);
  expect(following.ageMs()).toBe(3_000);
  following.start();
  await vi.waitFor(() => expect(asked).toEqual([undefined]));
  expect(following.isFollowing()).toBe(false);
  isDown = false;
  await vi.waitFor(() => expect(following.view()?.state.revision).toBe(2), { timeout: 3_000 });
  expect([following.isFollowing(), following.ageMs()]).toEqual([true, 0]);
  await following.stop();
});

test('a torn file, a foreign state and an absent file are no state', () => {
  const path = join(folder(), 'state.json');
  expect(replica(path, never).view()).toBeUndefined();
  for (const text of [
    '{"state":',
    '{"state":{},"confirmedAtMs":1}',
    JSON.stringify({ state: { ...state(1), region: 'eu-west-1' }, confirmedAtMs: 1 }),
  ]) {
    writeFileSync(path, text);
    expect(replica(path, never).view()).toBeUndefined();
  }
});
