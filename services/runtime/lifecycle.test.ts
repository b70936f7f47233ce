import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { systemTimer, type Timer } from './timer.ts';

const quiet: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => quiet,
};

let events: string[];
beforeEach(() => {
  events = [];
});

const lifecycle = (more: { graceMs?: number; timer?: Timer } = {}): Lifecycle =>
  new Lifecycle({
    logger: quiet,
    clock: { nowMs: () => 5, nowUs: () => 5_000n },
    timer: systemTimer,
    ...more,
  });

const part = (
  name: string,
  more: {
    start?: () => Promise<void>;
    stop?: () => Promise<void>;
    startTimeoutMs?: number;
    stopTimeoutMs?: number;
  } = {},
) => ({
  name,
  ...more,
  start: more.start ?? (() => void events.push(`start ${name}`)),
  stop: more.stop ?? (() => void events.push(`stop ${name}`)),
});

/** A process whose signals the test sends. */
function host(connected: boolean | undefined) {
  const emitter = new EventEmitter();
  const exits: number[] = [];
  const exited = new Promise<void>(resolve => {
    Object.assign(emitter, { connected, exit: (code: number) => resolve(void exits.push(code)) });
  });
  return { emitter, exits, exited, process: emitter as unknown as Parameters<Lifecycle['attach']>[0] };
}

describe('lifecycle', () => {
  it('ends by itself where it cannot go on: in order, once, with status 1', async () => {
    const life = lifecycle();
    const { exits, exited, process } = host(true);
    life.attach(process);
    life.add(part('log'));
    await life.start();
    life.fail('the log was lost');
    life.fail('the log is still lost');
    expect(life.phase).toMatchObject({ kind: 'stopping', reason: 'the log was lost' });
    await exited;
    expect([events, exits]).toEqual([['start log', 'stop log'], [1]]);
  });

  it('starts in order, stops in the reverse one, and tells its phase', async () => {
    const life = lifecycle();
    life.add(part('log'));
    life.add(part('store'));
    life.onStop('server', () => void events.push('stop server'));
    expect(life.phase).toEqual({ kind: 'created' });
    await life.start();
    expect(life.phase).toEqual({ kind: 'running', sinceMs: 5 });
    expect(life.signal.aborted).toBe(false);
    const stopping = life.stop('test');
    expect(life.phase).toEqual({ kind: 'stopping', reason: 'test', sinceMs: 5 });
    expect(life.signal.aborted).toBe(true);
    expect(await stopping).toEqual([]);
    expect(life.phase).toEqual({ kind: 'stopped', reason: 'test', unclean: [] });
    expect(events).toEqual(['start log', 'start store', 'stop server', 'stop store', 'stop log']);
  });

  it('stops once, however often it is asked', async () => {
    const life = lifecycle();
    life.add(part('log'));
    await life.start();
    await Promise.all([life.stop('first'), life.stop('second')]);
    expect(events).toEqual(['start log', 'stop log']);
    expect(life.phase).toMatchObject({ kind: 'stopped', reason: 'first' });
  });

  it('a failed start stops what was begun, the failed part too, and throws', async () => {
    const life = lifecycle();
    life.add(part('log'));
    life.add(part('store', { start: () => Promise.reject(new Error('no disk')) }));
    life.add(part('server'));
    await expect(life.start()).rejects.toThrow('no disk');
    expect(events).toEqual(['start log', 'stop store', 'stop log']);
  });

  it('a start that takes too long fails, a stop that does is named, and the others are stopped all the same', async () => {
    const never = (): Promise<void> => new Promise(() => {});
    const slow = lifecycle();
    slow.add(part('store', { start: never, startTimeoutMs: 20 }));
    await expect(slow.start()).rejects.toThrow('start of store took longer than 20 ms');
    const life = lifecycle();
    life.add(part('log'));
    life.add(part('stuck', { stop: never, stopTimeoutMs: 20 }));
    life.add(part('broken', { stop: () => Promise.reject(new Error('x')) }));
    await life.start();
    expect(await life.stop('test')).toEqual(['broken', 'stuck']);
    expect(events).toContain('stop log');
  });

  it.each(['SIGTERM', 'SIGINT', 'disconnect'])('ends the process in order on %s', async event => {
    const life = lifecycle();
    const { emitter, exits, exited, process } = host(true);
    life.add(part('log'));
    life.attach(process);
    await life.start();
    emitter.emit(event);
    await exited;
    expect({ events, exits }).toEqual({ events: ['start log', 'stop log'], exits: [0] });
  });

  it('exits with 1 where a part did not stop cleanly', async () => {
    const life = lifecycle();
    const { emitter, exits, exited, process } = host(true);
    life.add(part('log', { stop: () => Promise.reject(new Error('x')) }));
    life.attach(process);
    await life.start();
    emitter.emit('SIGTERM');
    await exited;
    expect(exits).toEqual([1]);
  });

  it('told to end it goes on as before for the grace and only says so; without a supervisor it does not wait', async () => {
    let over = (): void => undefined;
    const slept: number[] = [];
    const timer: Timer = {
      ...systemTimer,
      sleep: (ms, signal) => {
        if (ms !== 1_234) return systemTimer.sleep(ms, signal);
        slept.push(ms);
        return new Promise<void>(resolve => {
          over = resolve;
        });
      },
    };
    const life = lifecycle({ graceMs: 1_234, timer });
    const { emitter, exited, process } = host(true);
    life.add(part('writes'));
    life.attach(process);
    await life.start();
    emitter.emit('SIGTERM');
    expect([life.phase.kind, life.signal.aborted, slept]).toEqual(['stopping', false, [1_234]]);
    expect(events).toEqual(['start writes']);
    over();
    await exited;
    expect(events).toEqual(['start writes', 'stop writes']);

    const orphan = lifecycle({ graceMs: 1_234, timer });
    const other = host(true);
    orphan.attach(other.process);
    await orphan.start();
    other.emitter.emit('disconnect');
    await other.exited;
    expect(slept).toEqual([1_234]);
  });

  it('without a supervisor there is no channel to watch', () => {
    const { emitter, process } = host(undefined);
    lifecycle().attach(process);
    expect(emitter.eventNames()).toEqual(['SIGTERM', 'SIGINT']);
  });

  it('a supervisor that was gone before anyone listened ends the process too', async () => {
    const { exits, exited, process } = host(false);
    lifecycle().attach(process);
    await exited;
    expect(exits).toEqual([0]);
  });

  it('a stop during the start prevents the parts after', async () => {
    const life = lifecycle();
    life.add(
      part('first', {
        start: async () => void (await vi.waitFor(() => expect(life.signal.aborted).toBe(true))),
      }),
    );
    life.add(part('second'));
    const starting = life.start();
    await life.stop('early');
    await starting;
    expect(events).toEqual(['stop first']);
    expect(life.phase).toMatchObject({ kind: 'stopped' });
  });
});
