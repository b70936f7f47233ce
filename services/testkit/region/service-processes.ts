import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FeatureGroupDefinition } from '@featuremesh/domain/feature-group';
import { testProfile } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { freePort } from '@featuremesh/infra/ports/free-port';
import { ensureNatsSecrets } from '@featuremesh/runtime/broker-secrets';
import { ensureInternalToken } from '@featuremesh/runtime/internal-token';
import { systemRandom } from '@featuremesh/runtime/random';
import { generateSigningKey, writePrivateKey } from '@featuremesh/runtime/signing';
import type { FeedBroker } from '../broker/feed-broker.ts';
import { definitions } from './test-definitions.ts';
import { type TestStoreSection, testStoreSection } from './test-store.ts';

const READY_WITHIN_MS = 30_000;
const MAIN = fileURLToPath(new URL('../../feature-store/main.ts', import.meta.url));

/** One service process of a region under test, with what it logged so far. */
export interface ServiceProcess {
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: string[];
}

/** What a service answered. */
export interface ServiceAnswer {
  readonly status: number;
  /** What JSON.parse gives: tests look into answers of every shape. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** A region whose services run as they do in production, without supervisor, sync agent and gateway: the test plays those. */
export class ServiceProcesses {
  readonly folder: string;
  readonly #basePort: number;
  readonly #token: string;
  readonly #store: TestStoreSection | undefined;
  readonly #running: ServiceProcess[] = [];

  private constructor(
    folder: string,
    basePort: number,
    rest: { token: string; store: TestStoreSection | undefined },
  ) {
    this.folder = folder;
    this.#basePort = basePort;
    this.#token = rest.token;
    this.#store = rest.store;
  }

  /** Writes region.yaml and keys of `us-east-1` with two services; `more`: further lines of region.yaml. Rows are kept by the tests' profile, unless `profile` or `more` says where. */
  static async write(broker: FeedBroker, more = '', profile = testProfile()): Promise<ServiceProcesses> {
    const folder = await mkdtemp(join(tmpdir(), 'fm service '));
    const basePort = await freePort();
    const keys = join(folder, 'keys');
    await mkdir(keys);
    await chmod(keys, 0o700);
    writePrivateKey(join(keys, 'signing.pem'), generateSigningKey().privateKeyPem);
    await ensureNatsSecrets(join(keys, 'nats.json'), systemRandom);
    const store = /^store:/m.test(more) ? undefined : await testStoreSection(folder, profile);
    const url = `http://127.0.0.1:${basePort}`;
    await writeFile(
      join(folder, 'region.yaml'),
      `id: us-east-1
jurisdiction: US
cloud: test
listen: {http: "127.0.0.1:${basePort}", gateway: "127.0.0.1:${await freePort()}", sync: "127.0.0.1:${await freePort()}"}
publicUrl: ${url}
publicGatewayUrl: ${url}
services: 2
nats: {url: "${broker.url}"}
${more}${store?.yaml ?? ''}`,
    );
    const token = ensureInternalToken(join(keys, 'internal.token'), systemRandom);
    return new ServiceProcesses(folder, basePort, { token, store });
  }

  /** Starts the process of a slot; resolves at once. */
  start(slot: number): ServiceProcess {
    const args = [MAIN, '--config', join(this.folder, 'region.yaml'), '--slot', String(slot)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const log: string[] = [];
    child.stderr?.on('data', bytes => log.push(String(bytes)));
    const service = { url: this.urlOf(slot), child, log };
    this.#running.push(service);
    return service;
  }

  /** The address of a slot's process. */
  urlOf(slot: number): string {
    return `http://127.0.0.1:${this.#basePort + (slot === 0 ? 0 : 5 + slot)}`;
  }

  /** Brings groups into force as a user and the sync agent do together; rejects where that is refused. */
  async define(service: ServiceProcess, groups: readonly FeatureGroupDefinition[]): Promise<void> {
    const { body: before } = await this.call(service, 'GET', '/internal/v1/mesh-state', undefined, true);
    const path = `/internal/v1/mesh-state?after=${before.revision}&waitMs=5000`;
    const applying = this.call(service, 'POST', '/v1/admin/definitions', {
      definitions: definitions(groups),
    });
    const { body: state } = await this.call(service, 'GET', path, undefined, true);
    await this.call(service, 'POST', '/internal/v1/enforced', { revision: state.revision, hash: 'h' }, true);
    const { status, body } = await applying;
    if (status !== 200) throw new Error(`the definitions were refused: ${JSON.stringify(body)}`);
  }

  /** Ends a process with a signal; resolves with its exit code, null where the signal killed it. */
  async end(service: ServiceProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const ended = new Promise<number | null>(resolve => service.child.once('exit', resolve));
    service.child.kill(signal);
    return ended;
  }

  /** Loses all that its online store holds; of an embedded one, while no process runs. */
  async loseStore(): Promise<void> {
    if (this.#store === undefined) throw new Error('the test has said where its rows are');
    await this.#store.lose();
  }

  /** Kills what runs and removes the folder. */
  async remove(): Promise<void> {
    for (const { child } of this.#running) child.kill('SIGKILL');
    await this.#store?.remove();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** One HTTP call; `internal` shows the region's token. */
  async call(
    service: ServiceProcess,
    method: string,
    path: string,
    sent?: unknown,
    internal = false,
  ): Promise<ServiceAnswer> {
    const answer = await fetch(`${service.url}${path}`, {
      method,
      headers: {
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...(internal ? { authorization: `Bearer ${this.#token}` } : {}),
      },
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  /** Waits until a path answers with a status; fails with what it answers and what the process logged. */
  async until(service: ServiceProcess, path: string, status: number): Promise<ServiceAnswer> {
    const untilMs = Date.now() + READY_WITHIN_MS;
    for (;;) {
      const answer = await this.call(service, 'GET', path).catch(() => undefined);
      if (answer?.status === status) return answer;
      if (Date.now() > untilMs)
        throw new Error(
          `${path} is ${answer?.status}: ${JSON.stringify(answer?.body)}\n${service.log.join('')}`,
        );
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}
