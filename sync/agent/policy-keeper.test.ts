import type { MeshState } from '@featuremesh/domain/mesh-state';
import { createLogger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import { linkState, SHARED_GROUP } from '@featuremesh/testkit/links/link-world';
import { expect, test } from 'vitest';
import type { CompiledPolicy } from '../policy-compiler/compile.ts';
import { PolicyKeeper, type PolicyOutcome } from './policy-keeper.ts';

/** Waits pass at once, so that a test of hours takes milliseconds; each lets other work run. */
const hurried: Timer = {
  sleep: () => new Promise(resolve => setImmediate(resolve)),
  every: () => ({ stop: () => undefined }),
};

class World {
  states: MeshState[] = [];
  failures = 0;
  nowMs = Date.parse('2026-06-01T00:00:00Z');
  readonly enforced: CompiledPolicy[] = [];
  readonly reports: { revision: number; hash: string }[] = [];
  readonly outcomes: PolicyOutcome[] = [];
  readonly stop = new AbortController();
  readonly keeper = new PolicyKeeper(
    {
      service: {
        meshState: async () => {
          await new Promise(resolve => setImmediate(resolve));
          const state = this.states.at(-1);
          if (state === undefined) throw new Error('not up yet');
          return state;
        },
        enforced: async report => {
          this.reports.push(report);
        },
      },
      broker: {
        enforce: async policy => {
          if (this.failures-- > 0) throw new Error('the broker is away');
          this.enforced.push(policy);
        },
      },
      clock: { nowMs: () => this.nowMs, nowUs: () => BigInt(this.nowMs) * 1_000n },
      timer: hurried,
      logger: createLogger({}, { level: 'silent' }),
      onOutcome: outcome => this.outcomes.push(outcome),
    },
    { ...linkState('us-east-1', 0, []), groups: [], regions: [] },
  );

  async until(done: () => boolean): Promise<void> {
    for (let turn = 0; turn < 10_000 && !done(); turn++) await new Promise(resolve => setImmediate(resolve));
    expect(done()).toBe(true);
  }
}

const shares = (policy: CompiledPolicy | undefined): boolean =>
  [...(policy?.links.values() ?? [])].some(link => link.outSubjects.includes(`OUT.${SHARED_GROUP.id}`));

test('a state is enforced, then reported, once; a later one again; a new revision of the same rules is only reported', async () => {
  const world = new World();
  const running = world.keeper.run(world.stop.signal);
  world.states.push(linkState('us-east-1', 1, ['shared']));
  await world.until(() => world.reports.length === 1);
  expect(world.enforced.map(shares)).toEqual([true]);
  expect(world.reports[0]).toEqual({ revision: 1, hash: world.enforced[0]?.hash });
  world.states.push(linkState('us-east-1', 2, ['shared']));
  await world.until(() => world.reports.length === 2);
  expect(world.enforced).toHaveLength(1);
  world.states.push(linkState('us-east-1', 3, []));
  await world.until(() => world.reports.length === 3);
  expect(world.enforced.map(shares)).toEqual([true, false]);
  expect(shares(world.keeper.policy())).toBe(false);
  world.stop.abort();
  await running;
});

test('nothing is reported before it is enforced; a failure is tried again; the engines tighten at once', async () => {
  const world = new World();
  world.failures = 3;
  const running = world.keeper.run(world.stop.signal);
  world.states.push(linkState('us-east-1', 1, ['shared']));
  await world.until(() => world.reports.length === 1);
  expect(world.outcomes.map(outcome => outcome.kind)).toEqual(['failed', 'failed', 'failed', 'enforced']);
  expect(world.enforced).toHaveLength(1);
  world.failures = 1_000_000;
  world.states.push(linkState('us-east-1', 2, []));
  await world.until(() => !shares(world.keeper.policy()));
  expect(world.reports).toHaveLength(1);
  world.stop.abort();
  await running;
});

test('before the service has answered nothing is enforced, so that a restart does not close what is open', async () => {
  const world = new World();
  const running = world.keeper.run(world.stop.signal);
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve));
  expect(world.enforced).toEqual([]);
  world.stop.abort();
  await running;
});
