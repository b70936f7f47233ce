import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseWanOrder, runWanCommand } from './wan-command.ts';

function changeOf(line: string) {
  const order = parseWanOrder(line.split(' '));
  return order === 'help' ? order : order.change;
}

test('a line says which paths, and what is done to them', () => {
  expect(changeOf('cut us-east-1 eu-west-1')).toEqual({
    action: 'cut',
    which: { regions: ['us-east-1', 'eu-west-1'] },
  });
  expect(changeOf('black-hole eu-west-1 --from eu-west-1 --service link')).toEqual({
    action: 'black-hole',
    which: { regions: ['eu-west-1'], from: 'eu-west-1', service: 'link' },
  });
  expect(changeOf('heal')).toEqual({ action: 'heal', which: {} });
  expect(changeOf('delay --all --round-trip 300 --jitter 40 --bytes-per-second 1e6')).toEqual({
    action: 'set',
    which: {},
    conditions: { delayMs: 150, jitterMs: 40, bytesPerSecond: 1_000_000 },
  });
  expect(changeOf('delay --all --bytes-per-second none')).toMatchObject({
    conditions: { bytesPerSecond: null },
  });
  expect(changeOf('show')).toBeUndefined();
  expect(changeOf('--help')).toBe('help');
  expect(parseWanOrder(['show', '--json', '--data-dir', '/a b'])).toMatchObject({
    json: true,
    dataDir: '/a b',
  });
});

test('the whole network is not cut by an omission, and mistakes are named', () => {
  expect(() => changeOf('cut')).toThrow(/INVALID_REQUEST: cut needs a region, or --all/);
  expect(() => changeOf('delay --round-trip 5')).toThrow(/delay needs a region/);
  expect(() => changeOf('delay a')).toThrow(/delay needs --round-trip/);
  expect(() => changeOf('delay a --jitter much')).toThrow(/--jitter must be a number/);
  expect(() => changeOf('cut a --service nats')).toThrow(/--service is link or http/);
  expect(() => changeOf('cut a b c')).toThrow(/two regions/);
  expect(() => changeOf('sever a')).toThrow(/sever is not a command/);
  expect(() => changeOf('cut --hard')).toThrow(/INVALID_REQUEST.*hard/);
});

test('without a mesh that has a network between its regions it says so', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'fm-wan-command-'));
  await expect(runWanCommand(['show', '--data-dir', empty], {}, '/')).rejects.toThrow(
    /REGION_UNAVAILABLE: no mesh with --wan demo runs from/,
  );
});
