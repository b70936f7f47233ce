import { readFile } from 'node:fs/promises';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import {
  type BrokerFiles,
  relayFile,
  relayPermissions,
  replaceFile,
} from '@featuremesh/runtime/broker-files';
import type { NatsConnection } from '@nats-io/transport-node';

/** A reload was measured at 3 ms; this is for a machine under load. */
const RELOAD_TIMEOUT_MS = 5_000;

/**
 * What the relays of a region may publish, held by the broker itself: one included file per peer, put into force by a reload
 * through the system account. The second wall behind the exporter's own table (R2).
 */
export class RelayPermissions {
  readonly #files: BrokerFiles;
  readonly #system: NatsConnection;
  #reloaded = false;

  constructor(files: BrokerFiles, system: NatsConnection) {
    this.#files = files;
    this.#system = system;
  }

  /** Puts exactly these subjects per peer into force. Rejects, and is to be called again, where the broker did not confirm. */
  async enforce(links: ReadonlyMap<string, readonly string[]>): Promise<void> {
    let changed = false;
    for (const [peer, subjects] of links) {
      const path = relayFile(this.#files, peer);
      const content = relayPermissions(subjects);
      if ((await contentOf(path)) === content) continue;
      this.#reloaded = false;
      await replaceFile(path, content);
      changed = true;
    }
    // Once per start in any case: a crash between file and reload would leave the broker at the older list.
    if (changed || !this.#reloaded) await this.#reload();
  }

  async #reload(): Promise<void> {
    const id = this.#system.info?.server_id;
    if (id === undefined) throw new ProblemError(problem('LOG_UNAVAILABLE', 'the broker is not connected'));
    const answer = await this.#system.request(`$SYS.REQ.SERVER.${id}.RELOAD`, '', {
      timeout: RELOAD_TIMEOUT_MS,
    });
    const { error } = answer.json<{ error?: { description?: string } }>();
    if (error !== undefined) {
      throw new ProblemError(
        problem('INTERNAL', `the broker refused to reload: ${error.description ?? 'no reason given'}`),
      );
    }
    this.#reloaded = true;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
