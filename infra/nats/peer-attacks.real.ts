import { createLinkKey } from '@featuremesh/cli/region/link-key';
import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { feedOwnSubject, linkApiPrefix, outSubject } from '@featuremesh/domain/subjects';
import { brokerFiles } from '@featuremesh/runtime/broker-files';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { openRegionBroker, type RegionBroker } from '@featuremesh/sync/adapters/jetstream/region-broker';
import { compilePolicy } from '@featuremesh/sync/policy-compiler/compile';
import {
  EAST,
  linkState,
  PINNED_GROUP,
  SHARED_GROUP,
  testChunk,
  WEST,
} from '@featuremesh/testkit/links/link-world';
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { locateNatsServer } from '../components/nats-server.ts';
import { LinkedBrokers } from './testing/linked-brokers.ts';

const ATTACK_MS = 700;
const logger = createLogger({}, { level: 'silent' });
const API = linkApiPrefix(EAST);

let brokers: LinkedBrokers;
let east: RegionBroker;
/** The victim's own account: sees whether anything changed. */
let home: NatsConnection;

/** Any client behind the peer's own leafnode: nobody restricts it there. */
function hostileClient(): Promise<NatsConnection> {
  return connect({
    servers: brokers.url(WEST),
    user: `import.${EAST}`,
    pass: brokers.password(WEST, `import.${EAST}`),
    inboxPrefix: `_INBOX_${WEST}`,
  });
}

beforeAll(async () => {
  brokers = await LinkedBrokers.start({
    binary: await locateNatsServer(),
    regions: [EAST, WEST],
    linkKeys: createLinkKey,
  });
  east = await openRegionBroker({
    self: EAST,
    peers: [WEST],
    servers: brokers.url(EAST),
    password: user => brokers.password(EAST, user),
    files: brokerFiles(brokers.config(EAST).dataDir),
    replicas: 1,
    timer: systemTimer,
    random: systemRandom,
    logger,
  });
  await east.broker.enforce(compilePolicy(linkState(EAST, 1, ['shared']), Date.now()));
  home = await connect({ servers: brokers.url(EAST), user: 'sync', pass: brokers.password(EAST, 'sync') });
  const client = jetstream(home);
  await client.publish(feedOwnSubject(PINNED_GROUP.id, 1, 0), testChunk(EAST, 5, 1));
  await client.publish(feedOwnSubject(SHARED_GROUP.id, 1, 0), testChunk(EAST, 5, 2));
  const relay = await connect({
    servers: brokers.url(EAST),
    user: `relay.${WEST}`,
    pass: brokers.password(EAST, `relay.${WEST}`),
  });
  for (let at = 0; at < 3; at++) await jetstream(relay).publish(outSubject(SHARED_GROUP.id), `batch ${at}`);
  await relay.close();
});

afterAll(async () => {
  await home.close();
  await east.close();
  await brokers.stop();
});

interface Attempt {
  readonly answers: string[];
}

/** Sends a request the way an attacker does: with an inbox that it may listen on, waiting for any answer at all. */
async function ask(connection: NatsConnection, subject: string, body: string | Uint8Array): Promise<Attempt> {
  const answers: string[] = [];
  const inbox = `_INBOX_${WEST}.${systemRandom.base32(12)}`;
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error === null && message.headers?.code !== 503) answers.push(message.string());
    },
  });
  connection.publish(subject, body, { reply: inbox });
  await new Promise(resolve => setTimeout(resolve, ATTACK_MS));
  subscription.unsubscribe();
  return { answers };
}

async function state(
  stream: string,
  user: 'sync' | `links.${string}`,
): Promise<{ last_seq: number; messages: number }> {
  const connection = await connect({ servers: brokers.url(EAST), user, pass: brokers.password(EAST, user) });
  const answer = await connection.request(`$JS.API.STREAM.INFO.${stream}`);
  await connection.close();
  return answer.json<{ state: { last_seq: number; messages: number } }>().state;
}

const json = (value: unknown): string => JSON.stringify(value);

/** Requests of which none may be answered: [what, subject, body]. Both with the domain's prefix and with the local one. */
function requests(): [string, string, string | Uint8Array][] {
  const source = { name: 'FEED', filter_subject: 'FEED.>' };
  return [
    ['list streams', 'STREAM.NAMES', ''],
    ['describe FEED', 'STREAM.INFO.FEED', ''],
    ['describe OUT', 'STREAM.INFO.OUT', ''],
    ['list consumers of OUT', 'CONSUMER.NAMES.OUT', ''],
    [
      'create a consumer on FEED',
      'CONSUMER.CREATE.FEED.spy',
      json({ stream_name: 'FEED', config: { name: 'spy', ack_policy: 'none', deliver_policy: 'all' } }),
    ],
    [
      'create a consumer on OUT',
      'CONSUMER.CREATE.OUT.spy',
      json({ stream_name: 'OUT', config: { name: 'spy', ack_policy: 'none', deliver_policy: 'all' } }),
    ],
    ['create a stream that sources FEED', 'STREAM.CREATE.THEFT', json({ name: 'THEFT', sources: [source] })],
    ['create a stream that captures OUT', 'STREAM.CREATE.GRAB', json({ name: 'GRAB', subjects: ['OUT.>'] })],
    ['get a message of FEED', 'STREAM.MSG.GET.FEED', json({ seq: 1 })],
    ['get a message of OUT', 'STREAM.MSG.GET.OUT', json({ seq: 1 })],
    ['get a message of FEED directly', 'DIRECT.GET.FEED', json({ seq: 1 })],
    ['purge OUT', 'STREAM.PURGE.OUT', ''],
    ['delete OUT', 'STREAM.DELETE.OUT', ''],
    ['delete the durable', 'CONSUMER.DELETE.OUT.pull', ''],
    ['pull from another durable', 'CONSUMER.MSG.NEXT.CUR.pull', json({ batch: 1 })],
    ['ask for the account', 'INFO', ''],
  ];
}

describe('a peer with its full credentials (R3)', () => {
  let connection: NatsConnection;
  beforeAll(async () => {
    connection = await hostileClient();
    // The leafnode of a fresh server takes a moment; until it stands an attack would fail for the wrong reason.
    for (let tries = 0; ; tries++) {
      const info = await connection
        .request(`${API}.CONSUMER.INFO.OUT.pull`, '', { timeout: 500 })
        .catch(() => undefined);
      if (info !== undefined && !info.string().includes('"error"')) break;
      if (tries > 40) throw new Error('the link never came up');
      await new Promise(resolve => setTimeout(resolve, 250));
    }
  });
  afterAll(() => connection.close());

  test.each(requests())('cannot %s', async (_what, subject, body) => {
    const before = await Promise.all([state('FEED', 'sync'), state('OUT', `links.${WEST}`)]);
    const [theirs, byDomain, local] = await Promise.all([
      ask(connection, `${API}.${subject}`, body),
      ask(connection, `$JS.${EAST}.API.${subject}`, body),
      ask(connection, `$JS.API.${subject}`, body),
    ]);
    expect(theirs.answers).toEqual([]);
    expect(byDomain.answers).toEqual([]);
    // A client behind the leafnode has its own server answer the prefix without a domain: never with the victim's data.
    expect(local.answers.filter(answer => !answer.includes('"error"'))).toEqual([]);
    expect(await Promise.all([state('FEED', 'sync'), state('OUT', `links.${WEST}`)])).toEqual(before);
  });

  test('hears nothing by subscribing to everything', async () => {
    const heard: string[] = [];
    for (const subject of ['>', 'FEED.>', 'OUT.>', 'CTL.>', 'CUR.>', '$JS.>', 'region.>', '_INBOX.>']) {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) heard.push(message.subject);
        },
      });
    }
    await connection.flush();
    const client = jetstream(home);
    await client.publish(feedOwnSubject(PINNED_GROUP.id, 1, 0), testChunk(EAST, 2, 9));
    await client.publish(feedOwnSubject(SHARED_GROUP.id, 1, 0), testChunk(EAST, 2, 10));
    home.publish('region.link-progress', 'canary');
    await home.flush();
    await new Promise(resolve => setTimeout(resolve, ATTACK_MS));
    // What its own clients send behind its own server it may hear; nothing of the victim's.
    expect(heard.filter(subject => !subject.startsWith(`_INBOX_${WEST}`))).toEqual([]);
  });

  test('cannot put anything into a stream', async () => {
    const before = await Promise.all([state('FEED', 'sync'), state('OUT', `links.${WEST}`)]);
    const forged = encodeFeedChunk([]);
    const subjects = [
      outSubject(SHARED_GROUP.id),
      'OUT._link',
      'CTL.catalogue',
      `CUR.${SHARED_GROUP.id}`,
      feedOwnSubject(SHARED_GROUP.id, 1, 0),
    ];
    for (const subject of subjects) expect((await ask(connection, subject, forged)).answers).toEqual([]);
    expect(await Promise.all([state('FEED', 'sync'), state('OUT', `links.${WEST}`)])).toEqual(before);
  });

  test('cannot reach the system account', async () => {
    for (const subject of [
      '$SYS.REQ.SERVER.PING',
      '$SYS.REQ.SERVER.PING.CONNZ',
      '$SYS.REQ.ACCOUNT.PING.SUBSZ',
    ]) {
      const { answers } = await ask(connection, subject, '');
      // Its own server may tell it about itself; the victim's never does.
      expect(answers.filter(answer => answer.includes(EAST))).toEqual([]);
    }
  });

  test.each([
    `OUT.${SHARED_GROUP.id}`,
    'CTL.catalogue',
    `CUR.${SHARED_GROUP.id}`,
    '$JS.API.STREAM.DELETE.OUT',
    '$JS.API.CONSUMER.DELETE.OUT.pull',
    '$JS.API.STREAM.PURGE.OUT',
  ])('cannot have the broker answer into %s', async reply => {
    const streams = ['OUT', 'CTL', 'CUR'] as const;
    const before = await Promise.all(streams.map(stream => state(stream, `links.${WEST}`)));
    for (const body of [
      { batch: 1, no_wait: true },
      { batch: 1, expires: 100_000_000 },
      { batch: 70, expires: 100_000_000, idle_heartbeat: 40_000_000 },
    ])
      for (const stream of ['OUT', 'CTL'])
        connection.publish(`${API}.CONSUMER.MSG.NEXT.${stream}.pull`, json(body), { reply });
    // An acknowledgement may ask for the next message too, and names where to.
    connection.publish('$JS.ACK.OUT.pull.1.1.1.1.0', '+NXT', { reply });
    connection.publish(`${API}.CONSUMER.INFO.OUT.pull`, '', { reply });
    await connection.flush();
    await new Promise(resolve => setTimeout(resolve, ATTACK_MS));
    expect(await Promise.all(streams.map(stream => state(stream, `links.${WEST}`)))).toEqual(before);
  });

  test('cannot use its key at the client port', async () => {
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(brokers.linkSeed(WEST)));
    await expect(connect({ servers: brokers.url(EAST), authenticator, reconnect: false })).rejects.toThrow();
  });

  test('can do what it is meant to: ask for the next batch and acknowledge it', async () => {
    const floor = async (): Promise<number> => {
      const info = await connection.request(`${API}.CONSUMER.INFO.OUT.pull`);
      return info.json<{ ack_floor: { stream_seq: number } }>().ack_floor.stream_seq;
    };
    const consumer = await jetstream(connection, { apiPrefix: API }).consumers.get('OUT', 'pull');
    // The attacks before may have had some delivered into nowhere: those come again.
    for (let turn = 0; turn < 6 && (await floor()) < 3; turn++) {
      const message = await consumer.next({ expires: 4_000 });
      expect(message?.string() ?? 'batch 0').toMatch(/^batch \d$/);
      message?.ack();
      await connection.flush();
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    expect(await floor()).toBe(3);
  });
});
