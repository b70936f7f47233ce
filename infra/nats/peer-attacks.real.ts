import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { locateNatsServer } from '../components/nats-server.ts';
import { freePort } from '../ports/free-port.ts';
import { LinkedBrokers } from './testing/linked-brokers.ts';

const ATTACK_MS = 700;
const logger = createLogger({}, { level: 'silent' });
const API = linkApiPrefix(EAST);
const PINNED_SUBJECT = feedOwnSubject(PINNED_GROUP.id, 1, 0);

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
    feedLimits: { maxBytes: 1024 ** 3, maxAgeHours: 24 },
    timer: systemTimer,
    random: systemRandom,
    logger,
  });
  await east.broker.enforce(compilePolicy(linkState(EAST, 1, ['shared']), Date.now()));
  home = await connect({ servers: brokers.url(EAST), user: 'sync', pass: brokers.password(EAST, 'sync') });
  const client = jetstream(home);
  await client.publish(PINNED_SUBJECT, testChunk(EAST, 5, 1));
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

/** The leafnode of a fresh server takes a moment; until it stands an attack would fail for the wrong reason. */
async function linkIsUp(connection: NatsConnection): Promise<void> {
  for (let tries = 0; ; tries++) {
    const info = await connection
      .request(`${API}.CONSUMER.INFO.OUT.pull`, '', { timeout: 500 })
      .catch(() => undefined);
    if (info !== undefined && !info.string().includes('"error"')) return;
    if (tries > 40) throw new Error('the link never came up');
    await new Promise(resolve => setTimeout(resolve, 250));
  }
}

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

/** A request with its number: A1 to A16 are those that the link contract was proved with, B are ours. */
type Request = readonly [number: string, what: string, subject: string, body: string];

const SPY = { name: 'spy', ack_policy: 'none', deliver_policy: 'all' };
const createSpy = (stream: string): string => json({ stream_name: stream, config: SPY });
const thief = (stream: string): string => json({ name: 'THEFT', sources: [{ name: stream }] });

/** Requests of which none may be answered, to be asked under every prefix that might lead to the victim's API. */
const REQUESTS: readonly Request[] = [
  ['A2', 'list streams', 'STREAM.NAMES', ''],
  ['A3', 'describe FEED', 'STREAM.INFO.FEED', ''],
  ['A4', 'describe OUT', 'STREAM.INFO.OUT', ''],
  ['A5', 'create a consumer on FEED', 'CONSUMER.CREATE.FEED.spy', createSpy('FEED')],
  ['A6', 'create a consumer on OUT', 'CONSUMER.CREATE.OUT.spy', createSpy('OUT')],
  ['A7', 'have FEED sourced into a stream there', 'STREAM.CREATE.THEFT', thief('FEED')],
  ['A8', 'have OUT sourced into a stream there', 'STREAM.CREATE.THEFT', thief('OUT')],
  ['A9', 'get a message of FEED', 'STREAM.MSG.GET.FEED', json({ seq: 1 })],
  ['A10', 'get a message of OUT', 'STREAM.MSG.GET.OUT', json({ seq: 1 })],
  ['A11', 'get a message of FEED directly', 'DIRECT.GET.FEED', json({ seq: 1 })],
  ['A11', 'get a message of FEED directly, by its subject', `DIRECT.GET.FEED.${PINNED_SUBJECT}`, ''],
  ['A12', 'purge OUT', 'STREAM.PURGE.OUT', ''],
  ['A13', 'delete OUT', 'STREAM.DELETE.OUT', ''],
  ['B1', 'list consumers of OUT', 'CONSUMER.NAMES.OUT', ''],
  [
    'B2',
    'create a stream that captures OUT',
    'STREAM.CREATE.GRAB',
    json({ name: 'GRAB', subjects: ['OUT.>'] }),
  ],
  ['B3', 'mirror FEED', 'STREAM.CREATE.COPY', json({ name: 'COPY', mirror: { name: 'FEED' } })],
  ['B4', 'widen OUT', 'STREAM.UPDATE.OUT', json({ name: 'OUT', subjects: ['>'] })],
  ['B5', 'take a backup of FEED', 'STREAM.SNAPSHOT.FEED', json({ deliver_subject: `_INBOX_${WEST}.backup` })],
  ['B6', 'delete a message of OUT', 'STREAM.MSG.DELETE.OUT', json({ seq: 1 })],
  ['B7', 'delete the durable', 'CONSUMER.DELETE.OUT.pull', ''],
  ['B8', 'change the durable', 'CONSUMER.DURABLE.CREATE.OUT.pull', createSpy('OUT')],
  ['B9', 'pause the durable', 'CONSUMER.PAUSE.OUT.pull', json({ pause_until: '2100-01-01T00:00:00Z' })],
  ['B10', 'have the durable begin anew', 'CONSUMER.RESET.OUT.pull', json({ seq: 1 })],
  ['B11', 'pull from another durable', 'CONSUMER.MSG.NEXT.CUR.pull', json({ batch: 1 })],
  ['B12', 'describe the durable of FEED', 'CONSUMER.INFO.FEED.pull', ''],
  ['B13', 'ask for the account', 'INFO', ''],
];

describe('a peer with its full credentials (R3)', () => {
  let connection: NatsConnection;
  beforeAll(async () => {
    connection = await hostileClient();
    await linkIsUp(connection);
  });
  afterAll(() => connection.close());

  test.concurrent.each(REQUESTS)('%s cannot %s', async (_number, _what, subject, body) => {
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

  test('A1 hears nothing by subscribing to everything', async () => {
    const heard: string[] = [];
    for (const subject of [
      '>',
      'FEED.>',
      'OUT.>',
      'CTL.>',
      'CUR.>',
      '$JS.>',
      `$JS.${EAST}.>`,
      'region.>',
      '_INBOX.>',
    ]) {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) heard.push(message.subject);
        },
      });
    }
    await connection.flush();
    const client = jetstream(home);
    await client.publish(PINNED_SUBJECT, testChunk(EAST, 2, 9));
    await client.publish(feedOwnSubject(SHARED_GROUP.id, 1, 0), testChunk(EAST, 2, 10));
    home.publish('region.link-progress', 'canary');
    await home.flush();
    await new Promise(resolve => setTimeout(resolve, ATTACK_MS));
    // What its own clients send behind its own server it may hear; nothing of the victim's.
    expect(heard.filter(subject => !subject.startsWith(`_INBOX_${WEST}`))).toEqual([]);
  });

  test('A14, A15 cannot put anything into OUT, FEED or another stream', async () => {
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

  test('A16 cannot reach the system account', async () => {
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
  ])('B14 cannot have the broker answer into %s', async reply => {
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

  test('B15 cannot use its key at the client port', async () => {
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

describe('a peer that runs a broker of its own making with its link key (R3)', () => {
  let hostile: HostileBroker | undefined;
  afterEach(async () => {
    if (hostile === undefined) return;
    const { connection, process, folder } = hostile;
    hostile = undefined;
    await connection.close();
    const ended = new Promise(resolve => process.once('exit', resolve));
    process.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['under a domain of its own', 'thieves'],
    ["under the victim's domain", EAST],
  ])('A7, A8 cannot source or mirror FEED or OUT into streams there, %s', async (_what, domain) => {
    hostile = await hostileBroker(domain);
    const { connection } = hostile;
    const victim = () =>
      Promise.all([
        state('FEED', 'sync'),
        state('OUT', `links.${WEST}`),
        consumersOf('FEED', 'sync'),
        consumersOf('OUT', `links.${WEST}`),
      ]);
    const before = await victim();
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await manager.streams.add({ name: 'OWN', subjects: ['own'] });
    await jetstream(connection).publish('own', 'sourcing works');
    await manager.streams.add({ name: 'COPY_OF_OWN', sources: [{ name: 'OWN' }] });
    const names: string[] = [];
    for (const api of [`$JS.${EAST}.API`, API])
      for (const name of ['FEED', 'OUT'])
        for (const kind of ['source', 'mirror'] as const) {
          const from = { name, external: { api, deliver: `_INBOX_${WEST}.stolen` } };
          const copy = `COPY_${names.length}`;
          const config = kind === 'source' ? { name: copy, sources: [from] } : { name: copy, mirror: from };
          await manager.streams.add(config);
          names.push(copy);
        }
    // A consumer of a source is asked for at once and again after a failure.
    await new Promise(resolve => setTimeout(resolve, 4 * ATTACK_MS));
    const copied = async (name: string): Promise<number> => (await manager.streams.info(name)).state.messages;
    expect(await copied('COPY_OF_OWN')).toBe(1);
    expect(names).toHaveLength(8);
    for (const name of names) expect(await copied(name)).toBe(0);
    expect(await victim()).toEqual(before);
  });
});

async function consumersOf(stream: string, user: 'sync' | `links.${string}`): Promise<readonly string[]> {
  const connection = await connect({ servers: brokers.url(EAST), user, pass: brokers.password(EAST, user) });
  const answer = await connection.request(`$JS.API.CONSUMER.NAMES.${stream}`);
  await connection.close();
  return answer.json<{ consumers: string[] | null }>().consumers ?? [];
}

interface HostileBroker {
  readonly process: ChildProcess;
  readonly folder: string;
  readonly connection: NatsConnection;
}

/** A broker whose operator writes its configuration as it likes: the linked account has JetStream, and nothing is denied. */
async function hostileBroker(domain: string): Promise<HostileBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'fm-hostile-'));
  const leaf = brokers.config(EAST).nats.embedded?.leaf;
  const port = await freePort();
  const config = join(folder, 'nats.conf');
  writeFileSync(
    config,
    `server_name: hostile
listen: "127.0.0.1:${port}"
jetstream { domain: ${domain}, store_dir: ${json(folder)} }
accounts { A { jetstream: enabled, users: [{user: a, password: a}] } }
leafnodes { remotes: [{url: "nats-leaf://127.0.0.1:${leaf?.port}", account: A, nkey: ${brokers.linkSeed(WEST)}, compression: off}] }
`,
    { mode: 0o600 },
  );
  const process = spawn(await locateNatsServer(), ['-c', config], { stdio: 'ignore' });
  const connection = await connect({
    servers: `127.0.0.1:${port}`,
    user: 'a',
    pass: 'a',
    inboxPrefix: `_INBOX_${WEST}`,
    waitOnFirstConnect: true,
    reconnectTimeWait: 50,
    maxReconnectAttempts: 100,
  });
  await linkIsUp(connection);
  return { process, folder, connection };
}
