import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type FmeshProcess, processesNaming, startFmesh } from '@featuremesh/cli/testing/fmesh-process';
import { regionId } from '@featuremesh/domain/region-id';
import { heldSubject } from '@featuremesh/domain/subjects';
import { type PreparedRegion, prepareRegions } from '@featuremesh/infra/local-mesh/prepare-regions';
import { LOCAL_REGIONS } from '@featuremesh/infra/local-mesh/region-names';
import {
  freeMeshPortBase,
  patienceMs,
  testProfile,
} from '@featuremesh/infra/local-mesh/testing/test-profile';
import { TestStores } from '@featuremesh/infra/local-mesh/testing/test-stores';
import { wanConfigOf } from '@featuremesh/infra/local-mesh/wan-plan';
import { WanProxy } from '@featuremesh/infra/wan/wan-proxy';
import { systemClock } from '@featuremesh/runtime/clock';
import { seededRandom, systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { definitions, group, policy, record } from '@featuremesh/testkit/region/test-definitions';
import { OFFICERS } from '@featuremesh/testkit/region/test-region';
import { OtlpCollector } from '@featuremesh/testkit/telemetry/otlp-collector';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishAs } from './adapters/jetstream/publish-as.ts';
import type { CanaryMedium } from './canary-medium.ts';
import { LinkTap } from './link-tap.ts';
import type { Needle } from './needle.ts';
import { itemsOf, saidMedium } from './said-media.ts';
import { type CanaryReport, searchMesh } from './search-mesh.ts';
import {
  CANARY_REGIONS,
  type CanaryGroupName,
  type CanaryRegionId,
  EAST,
  EUROPE,
  WEST,
} from './testing/canary-groups.ts';
import { ASKED, CanaryWorkload, post } from './testing/canary-workload.ts';
import { IN_SNAPSHOT, type PlantedLeak, plantedLeaks } from './testing/planted-leaks.ts';
import { jsonOf, SECRET_FEATURES } from './testing/secret-rows.ts';

/** Three real regions on a tapped network, random writes and reads by a seed, kill -9 and a cut link: no value is where it may not be. */
const SLOW_MS = patienceMs(180_000);
const SEED = process.env['FEATUREMESH_CANARY_SEED'] ?? systemRandom.base32(8);
const random = seededRandom(`canary ${SEED}`);
/** Where a region's rows stand, by the profile of the tests: through the store itself, and in its files. */
const STORE_MEDIA =
  testProfile() === 'full'
    ? { asked: 'Cassandra tables', files: 'Cassandra files', stopped: ['Cassandra files'] }
    : { asked: 'LMDB online', files: 'LMDB files', stopped: ['LMDB files', 'LMDB online'] };
const dataDir = mkdtempSync(join(tmpdir(), 'fm-canary-'));
const tap = new LinkTap();
const running = new Map<CanaryRegionId, FmeshProcess>();
const workload = new CanaryWorkload(random, id => ({ service: service(id), gateway: gateway(id) }));
const { needles, written } = workload;
let regions: readonly PreparedRegion[];
let proxy: WanProxy;
let stores: TestStores;
let collector: OtlpCollector;

function region(id: CanaryRegionId): PreparedRegion {
  const found = regions.find(one => one.id === id);
  if (found === undefined) throw new Error(`no region ${id}`);
  return found;
}

const service = (id: CanaryRegionId): string => region(id).config.publicUrl;
const gateway = (id: CanaryRegionId): string => region(id).config.publicGatewayUrl;

async function serve(id: CanaryRegionId): Promise<void> {
  const one = startFmesh(['region', 'serve', '--config', region(id).configPath], dataDir);
  running.set(id, one);
  await one.saying(': ready;');
}

function kill9(id: CanaryRegionId, which: (commandLine: string) => boolean = () => true): void {
  for (const line of processesNaming(region(id).directory).filter(which))
    process.kill(Number.parseInt(line, 10), 'SIGKILL');
}

beforeAll(async () => {
  console.info(`canary seed: FEATUREMESH_CANARY_SEED=${SEED}`);
  collector = await OtlpCollector.start();
  Object.assign(process.env, {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    FEATUREMESH_LOG_LEVEL: 'debug',
  });
  const portBase = await freeMeshPortBase();
  stores = await TestStores.start({ dataDir, regions: CANARY_REGIONS, portBase });
  regions = await prepareRegions({
    dataDir,
    regions: LOCAL_REGIONS.slice(0, CANARY_REGIONS.length),
    portBase,
    storeOf: stores.storeOf,
    officers: Object.entries(OFFICERS).map(([id, { key, roles }]) => ({
      id,
      publicKey: key.publicKey,
      roles,
    })),
    wan: 'demo',
    tools: { clock: systemClock, random: systemRandom },
  });
  const { paths } = wanConfigOf(regions.map(({ config }) => config));
  const conditions = { delayMs: 1, jitterMs: 1, bytesPerSecond: null };
  proxy = new WanProxy({
    paths: paths.map(path => ({ ...path, conditions })),
    tools: { clock: systemClock, timer: systemTimer, random: random.stream('network') },
    onBytes: tap.take,
  });
  await proxy.start();
  await Promise.all(CANARY_REGIONS.map(serve));
  await bringIntoForce();
}, SLOW_MS);

afterAll(async () => {
  await stopAll();
  proxy.stop();
  await collector.close();
  await stores.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, SLOW_MS);

async function stopAll(): Promise<void> {
  for (const one of running.values()) one.child.kill('SIGTERM');
  await Promise.all([...running.values()].map(one => one.ended));
  running.clear();
  // Only what a killed supervisor left.
  for (const id of CANARY_REGIONS) kill9(id);
}

async function bringIntoForce(): Promise<void> {
  const [everywhere, us, home] = [CANARY_REGIONS, [EAST, WEST], [EAST]].map(ids => ids.map(regionId));
  if (everywhere === undefined || us === undefined || home === undefined) throw new TypeError('three lists');
  const of = (
    name: CanaryGroupName,
    entity: string,
    sync: { mode: 'local' | 'active-active'; regions: typeof us },
  ) => group(name, { entities: [entity], features: SECRET_FEATURES, sync });
  const set = definitions(
    [
      of('orders', 'order', { mode: 'active-active', regions: us }),
      of('persons', 'person', { mode: 'local', regions: everywhere }),
      of('secrets', 'pair', { mode: 'local', regions: home }),
      of('advice', 'item', { mode: 'local', regions: home }),
    ],
    {
      entities: {
        order: [
          { name: 'number', type: 'int64' },
          { name: 'digest', type: 'bytes' },
        ],
        person: [
          { name: 'person', type: 'string' },
          { name: 'residence', type: 'string', role: 'region' },
        ],
        pair: [
          { name: 'item', type: 'string' },
          { name: 'number', type: 'int64' },
        ],
        item: [{ name: 'item', type: 'string' }],
      },
    },
  );
  const entities = set.entities.map(one => ({ ...one, subject: one.name === 'person' }));
  const applied = await post(`${service(EAST)}/v1/admin/definitions`, { definitions: { ...set, entities } });
  expect(applied).toMatchObject({ status: 200 });
  const selecting = (name: CanaryGroupName) => ({ groups: [`${EAST}/${name}`], tags: [], entities: [] });
  const allowed = (ids: typeof us) => ({ regions: ids, jurisdictions: [] });
  for (const one of [
    policy({ name: 'orders', select: selecting('orders'), allowed: allowed(us) }),
    policy({ name: 'persons', select: selecting('persons'), rows: 'origin' }),
    policy({ name: 'advice', select: selecting('advice'), allowed: allowed(home), egress: 'in-domain' }),
  ]) {
    const proposal = { record: record(one, ['ben', 'cleo']) };
    expect(await post(`${service(EAST)}/v1/admin/policies/propose`, proposal)).toMatchObject({ status: 200 });
  }
  for (const id of CANARY_REGIONS) {
    const deadlineMs = Date.now() + 30_000;
    for (;;) {
      const refused = await workload.refusedGroups(id);
      if (refused.length === 0) break;
      if (Date.now() > deadlineMs) throw new Error(`${id} does not take rows of ${refused.join(', ')}`);
      await wait(200);
    }
  }
}

function captured(): readonly CanaryMedium[] {
  return [
    ...tap.media(),
    saidMedium({
      name: 'traces',
      region: EAST,
      control: EUROPE,
      scan: () => itemsOf(collector.bodies),
    }),
    ...[...workload.errorBodies].map(([id, bodies]) =>
      saidMedium({ name: 'errors', region: id, control: '"code"', scan: () => itemsOf(bodies) }),
    ),
  ];
}

function look(forWhat: readonly Needle[], isRunning = true): Promise<CanaryReport> {
  const all = regions.map(({ id, configPath }) => ({ id, configPath, running: isRunning }));
  return searchMesh({ regions: all, needles: forWhat, captured: captured() });
}

function expectWhole({ hollow, unreadable }: CanaryReport): void {
  expect(unreadable).toEqual([]);
  expect(hollow).toEqual([]);
}

/** `needle in medium of region` of all findings. */
function places(report: CanaryReport): ReadonlySet<string> {
  return new Set(report.findings.map(one => `${one.needle} in ${one.medium} of ${one.region}`));
}

/** Where values of accepted rows should have been found: in each of these media, in every region that holds the row. */
function missing(report: CanaryReport, media: readonly string[]): readonly string[] {
  const there = places(report);
  return written.flatMap(({ row }) =>
    row.needles.flatMap(({ name, placement }) =>
      placement
        .flatMap(id => media.map(medium => `${name} in ${medium} of ${id}`))
        .filter(place => !there.has(place)),
    ),
  );
}

async function hasAllOrders(id: CanaryRegionId): Promise<boolean> {
  const orders = written.filter(one => one.group === 'orders').map(one => one.row.key);
  const keys = { number: orders.map(key => key['number']), digest: orders.map(key => key['digest']) };
  const { body } = await post(`${service(id)}/v1/online/read`, { features: ['orders:note'], keys });
  return body?.results?.[0]?.statuses?.[0] === 'PRESENT';
}

test(
  'what is written while a link is cut waits in OUT, and is nowhere where it may not be',
  async () => {
    await workload.writeRound(CANARY_REGIONS);
    await workload.readRound(CANARY_REGIONS);
    proxy.cut({ regions: [EAST, WEST] });
    const before = written.length;
    await workload.writeRound(CANARY_REGIONS);
    await workload.readRound(CANARY_REGIONS);
    const waiting = written
      .slice(before)
      .filter(one => one.group === 'orders')
      .flatMap(({ region: id, row }) => row.needles.map(({ name }) => `${name} in OUT of ${id}`));
    expect(waiting.length).toBeGreaterThan(0);
    let report = await look(needles);
    await expect
      .poll(
        async () => {
          report = await look(needles);
          const there = places(report);
          return waiting.filter(one => !there.has(one));
        },
        { timeout: patienceMs(20_000) },
      )
      .toEqual([]);
    expect(report.leaks).toEqual([]);
    expectWhole(report);
  },
  SLOW_MS,
);

test(
  'R1, R7: after random writes, reads through all gateways, a kill -9 of a whole region and a healed link every value is where it belongs, and nowhere else',
  async () => {
    kill9(WEST);
    await running.get(WEST)?.ended;
    await workload.writeRound([EAST, EUROPE]);
    await workload.readRound([EAST, EUROPE]);
    await proxy.heal();
    await serve(WEST);
    await workload.writeRound(CANARY_REGIONS);
    for (let turn = 0; turn < 4; turn++) await workload.readRound(CANARY_REGIONS);
    const { row } = workload.pick(written.filter(one => one.group === 'advice'));
    const read = { features: ['advice:note', 'advice:count'], keys: row.key };
    expect(await post(`${gateway(WEST)}/v1/online/read`, read)).toMatchObject({
      status: 200,
      body: { results: [{ region: EAST, statuses: ['PRESENT', 'PRESENT'] }] },
    });
    for (const id of [EAST, WEST])
      await expect.poll(() => hasAllOrders(id), { timeout: patienceMs(40_000) }).toBe(true);
    const batch = random.bytes(40);
    const subject = heldSubject(EAST, 'e0', 1);
    await publishAs(region(WEST).config, 'sync', { subject, body: batch, head: { 'fm-reason': 'poison' } });
    needles.push({
      name: 'held batch',
      value: { kind: 'bytes', bytes: batch },
      placement: [WEST],
      gateways: [],
    });

    const report = await look(needles);
    expect(report.leaks).toEqual([]);
    expectWhole(report);
    expect(missing(report, ['FEED', 'broker files', STORE_MEDIA.asked, STORE_MEDIA.files])).toEqual([]);
    const there = places(report);
    expect(there).toContain(`held batch in HELD of ${WEST}`);
    const onLinks = report.findings.filter(one => one.medium.startsWith('link ')).map(one => one.needle);
    const shipped = written
      .filter(one => one.group === 'orders')
      .flatMap(one => one.row.needles.map(({ name }) => name));
    expect(shipped.filter(name => !onLinks.includes(name))).toEqual([]);
    expect(onLinks.filter(name => !shipped.includes(name))).toEqual([]);
    const key = row.needles[0]?.name ?? '';
    expect(there).toContain(`${key} in http ${WEST} to ${EAST}, requests of ${WEST}`);
    expect(there).toContain(
      `${key.replace('key item', 'note')} in http ${WEST} to ${EAST}, answers of ${EAST}`,
    );
    const asked = report.findings.filter(one => one.needle.startsWith(ASKED));
    expect(asked.filter(one => !one.medium.startsWith('http '))).toEqual([]);
    // Europe's gateway is in the gateway set of no row of another region: it redirected, and asked nobody.
    expect(workload.errorBodies.get(EUROPE)?.join()).toContain('RESIDENCY_REDIRECT');
    const requests = tap
      .media()
      .filter(one => one.name.startsWith(`http ${EUROPE} `) && one.region === EUROPE);
    expect(requests.length).toBe(2);
    for (const { scan } of requests)
      for await (const item of scan())
        expect(Buffer.from(item.bytes).toString('latin1')).not.toContain('POST ');
    const bytes = report.searched.reduce((sum, one) => sum + one.bytes, 0);
    console.info(
      `${needles.length} values in ${bytes} bytes of ${report.searched.length} media: ${report.findings.length} places, no leak`,
    );
  },
  SLOW_MS,
);

test(
  'the command says where a value is, by its status whether it may be there, and never the value',
  async () => {
    const mesh = regions.map(({ id, config }) => ({
      id,
      url: service(id as CanaryRegionId),
      dataDir: config.dataDir,
      pids: { supervisor: process.pid },
    }));
    writeFileSync(join(dataDir, 'mesh.json'), JSON.stringify({ regions: mesh }));
    const { row } = workload.pick(written.filter(one => one.group === 'secrets'));
    const [note, count] = [String(row.features['note']), String(row.features['count'])];
    const program = fileURLToPath(new URL('main.ts', import.meta.url));
    const canary = (allowed: string): Promise<{ status: number; out: string }> => {
      const args = [
        program,
        '--data-dir',
        dataDir,
        `--text=${note}`,
        `--int64=${count}`,
        '--allowed',
        allowed,
      ];
      return new Promise(resolve =>
        execFile(process.execPath, args, (error, out) =>
          resolve({ status: error === null ? 0 : Number(error.code), out }),
        ),
      );
    };
    const [right, wrong] = await Promise.all([canary(EAST), canary(WEST)]);
    expect(right.status, right.out).toBe(0);
    expect(right.out).toMatch(/value 1 \(text\): permitted in FEED of us-east-1: FEED \d+ \(.*, utf-8/);
    expect(right.out).not.toContain('LEAK');
    expect(wrong.status, wrong.out).toBe(1);
    expect(wrong.out).toMatch(
      new RegExp(`LEAK value 2 \\(int64\\): in ${STORE_MEDIA.asked} of us-east-1: .*, int64 little-endian`),
    );
    expect(right.out + wrong.out).not.toContain(note);
    expect(right.out + wrong.out).not.toContain(count);
  },
  SLOW_MS,
);

/** Connections from the foreign region's place, opened while the network works: bytes sent later vanish in it, behind the tap. */
async function openPaths(): Promise<
  (service: 'link' | 'http', to: string, bytes: Uint8Array) => Promise<void>
> {
  const opened = proxy
    .states({ from: EUROPE })
    .map(path => ({ path, socket: connectTcp(path.listen).on('error', () => undefined) }));
  const which = ({ from, to, service: pathOf }: (typeof opened)[number]['path']) => ({
    from,
    regions: [from, to],
    service: pathOf,
  });
  for (const { path } of opened)
    await expect.poll(() => proxy.states(which(path))[0]?.connections).toBeGreaterThan(path.connections);
  // A connection counts from its beginning, before the other end is reached.
  await wait(300);
  return async (pathOf, to, bytes) => {
    const found = opened.find(({ path }) => path.service === pathOf && path.to === to);
    if (found === undefined) throw new Error('no such path');
    const before = proxy.states(which(found.path))[0]?.bytesThere ?? 0;
    found.socket.write(bytes);
    await expect.poll(() => proxy.states(which(found.path))[0]?.bytesThere).toBeGreaterThan(before);
    found.socket.destroy();
  };
}

/** Ends all processes of the foreign region but its broker; in their places listens what repeats their metrics, `gatewayAnswers` in the gateway's. */
async function replaceProcesses(
  gatewayAnswers: (metrics: string, url: string) => string,
): Promise<readonly Server[]> {
  const { listen } = region(EUROPE).config;
  const addresses = [listen.http, listen.sync, listen.gateway];
  const texts: string[] = [];
  for (const { host, port } of addresses)
    texts.push(await (await fetch(`http://${host}:${port}/metrics`)).text());
  kill9(EUROPE, line => !line.includes('nats.conf'));
  await running.get(EUROPE)?.ended;
  await expect.poll(() => processesNaming(region(EUROPE).configPath)).toEqual([]);
  return Promise.all(
    addresses.map((address, at) => {
      const text = texts[at] ?? '';
      const answer = (url: string): string => (address === listen.gateway ? gatewayAnswers(text, url) : text);
      return listening(address, answer);
    }),
  );
}

/** A process lets go of its ports a moment after it is gone from the list of processes. */
async function listening(
  { host, port }: { readonly host: string; readonly port: number },
  answer: (url: string) => string,
): Promise<Server> {
  const server = createServer((request, response) => response.end(answer(request.url ?? '')));
  for (let tries = 1; ; tries++) {
    server.listen(port, host);
    const failure = await once(server, 'listening').then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return server;
    if (tries === 40) throw failure;
    await wait(100);
  }
}

/** Leaks in what processes say: a metric's label, error bodies, a span. */
async function saidLeaks(): Promise<{ leaks: readonly PlantedLeak[]; servers: readonly Server[] }> {
  const { source } = workload;
  const [label, detail, message, attribute] = [source.text(), source.text(), source.int64(), source.text()];
  const servers = await replaceProcesses((metrics, url) => {
    if (url === '/metrics') return `${metrics}featuremesh_leak{key=${JSON.stringify(jsonOf(label))}} 1\n`;
    if (url !== '/graphql') return JSON.stringify({ code: 'INTERNAL', detail: jsonOf(detail) });
    return JSON.stringify({ errors: [{ message: jsonOf(message), extensions: { code: 'INTERNAL' } }] });
  });
  const noteAnswer = (path: string) => async () =>
    workload.note(EUROPE, (await post(`${gateway(EUROPE)}${path}`, {})).text);
  const exportSpan = async (): Promise<void> => {
    const span = {
      name: 'store.read',
      attributes: [{ key: 'key', value: { stringValue: jsonOf(attribute) } }],
    };
    const body = gzipSync(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }));
    const headers = { 'content-encoding': 'gzip' };
    await fetch(`${collector.endpoint}/v1/traces`, { method: 'POST', headers, body });
  };
  const leaks = [
    { into: 'metrics', seenIn: ['metrics'], value: label, plant: () => undefined },
    { into: 'errors over HTTP', seenIn: ['errors'], value: detail, plant: noteAnswer('/v1/online/read') },
    { into: 'errors of GraphQL', seenIn: ['errors'], value: message, plant: noteAnswer('/graphql') },
    { into: 'traces', seenIn: ['traces'], value: attribute, plant: exportSpan },
  ];
  return { leaks, servers };
}

test(
  'one leak planted into each medium of a foreign region is found, and nothing else; stopped regions are searched by their files',
  async () => {
    const persons = (await (await fetch(`${service(EAST)}/v1/groups/persons`)).json()) as { id: string };
    // Nothing planted may travel, and no process of the region may mend or remove it; its broker runs on.
    const send = await openPaths();
    for (const from of [EAST, WEST]) proxy.cut({ from });
    await proxy.blackHole({ from: EUROPE });
    const said = await saidLeaks();
    const stored = plantedLeaks({
      config: region(EUROPE).config,
      folder: region(EUROPE).directory,
      groupId: persons.id,
      source: workload.source,
      send,
    });
    const planted = [...stored, ...said.leaks];
    const sought = [
      ...needles,
      ...planted.map(({ into, value }) => ({ name: into, value, placement: [EAST], gateways: [EAST] })),
    ];
    for (const { plant } of planted) await plant();

    const found = (report: CanaryReport): readonly string[] =>
      [...new Set(report.leaks.map(one => `${one.needle}, seen in ${one.medium}`))].toSorted();
    const expected = (isThere: (medium: string) => boolean): readonly string[] =>
      planted
        .flatMap(({ into, seenIn }) => seenIn.filter(isThere).map(medium => `${into}, seen in ${medium}`))
        .toSorted();
    const report = await look(sought);
    expectWhole(report);
    expect(found(report)).toEqual(expected(() => true));
    const inSnapshot = report.leaks.filter(one => one.needle === IN_SNAPSHOT).map(({ where }) => where);
    expect(inSnapshot.some(where => /snapshots.*, unpacked/.test(where))).toBe(testProfile() === 'full');
    const elsewhere = report.leaks.filter(one => one.region !== EUROPE && one.medium !== 'traces');
    expect(elsewhere).toEqual([]);

    for (const server of said.servers) server.close();
    await stopAll();
    await stores.stop();
    const stopped = await look(sought, false);
    expectWhole(stopped);
    const online = ['FEED', 'OUT', 'CTL', 'CUR', 'HELD', 'metrics', 'Cassandra tables'];
    expect(found(stopped)).toEqual(expected(medium => !online.includes(medium)));
    expect(missing(stopped, ['broker files', ...STORE_MEDIA.stopped])).toEqual([]);
  },
  SLOW_MS,
);
