import { describe, expect, it } from 'vitest';
import { controlMessageSchema } from './control-message.ts';
import { linkStatusSchema } from './link-status.ts';

const GROUP = { groupId: 'abcdefghijklmn27', version: 1 };

describe('control messages', () => {
  it.each<object>([
    { kind: 'hello', linkEpoch: 'e1', contractVersion: 1 },
    { kind: 'catalogue', entries: [] },
    { kind: 'policy-confirmed', home: 'us-east-1', epoch: 3, atMs: 5 },
    { kind: 'snapshot-request', requestId: 'r_1', groups: [GROUP], reason: 'gap' },
    { kind: 'snapshot-declined', requestId: 'r_1', groups: [GROUP], reason: 'not-permitted' },
  ])('parses %j', message => {
    const sent = { protocolVersion: 1, ...message };
    expect(controlMessageSchema.parse(JSON.parse(JSON.stringify(sent)))).toEqual(sent);
  });

  it.each<[string, object]>([
    ['another version', { protocolVersion: 2, kind: 'catalogue', entries: [] }],
    ['no version', { kind: 'catalogue', entries: [] }],
    ['an unknown kind', { protocolVersion: 1, kind: 'purge' }],
    ['an unknown member', { protocolVersion: 1, kind: 'catalogue', entries: [], peer: 'x' }],
    [
      'a request for no group',
      { protocolVersion: 1, kind: 'snapshot-request', requestId: 'r', groups: [], reason: 'gap' },
    ],
    [
      'an unknown reason',
      { protocolVersion: 1, kind: 'snapshot-request', requestId: 'r', groups: [GROUP], reason: 'x' },
    ],
  ])('refuses %s', (_name, message) => {
    expect(controlMessageSchema.safeParse(message).success).toBe(false);
  });
});

it('a link status has a lag that may be unknown and never negative', () => {
  const status = {
    peer: 'eu-west-1',
    direction: 'in',
    connected: true,
    linkEpoch: 'e1',
    linkSeq: 3,
    pendingBatches: 0,
    lagMs: null,
    gaps: 0,
    heldBatches: 0,
    shippedRows: 0,
    importedRows: 9,
    refusedBatches: 0,
  };
  expect(linkStatusSchema.parse(status)).toEqual(status);
  expect(linkStatusSchema.safeParse({ ...status, lagMs: -1 }).success).toBe(false);
});
