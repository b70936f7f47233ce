import type { SeededRandom } from '@featuremesh/runtime/random';
import type { Needle } from '../needle.ts';
import {
  CANARY_GROUP_NAMES,
  CANARY_GROUPS,
  CANARY_REGIONS,
  type CanaryGroupName,
  type CanaryRegionId,
  EUROPE,
} from './canary-groups.ts';
import { type SecretRow, SecretSource, type Whereabouts } from './secret-rows.ts';

/** An answer over HTTP. */
export interface Reply {
  readonly status: number;
  /** What JSON.parse gives: tests look into answers of every shape. */
  readonly body: ReturnType<typeof JSON.parse>;
  readonly text: string;
}

/** A row that a region accepted. */
export interface WrittenRow {
  readonly group: CanaryGroupName;
  readonly region: CanaryRegionId;
  readonly row: SecretRow;
}

/** Where a region answers. */
export interface RegionUrls {
  readonly service: string;
  readonly gateway: string;
}

const NOWHERE: Whereabouts = { placement: [], gateways: [] };
const QUERY =
  'query($f: [String!], $k: JSON!) { online(features: $f, keys: $k) { results { region columns statuses problem } } }';

/** Random writes and reads of canaries by a seed, what they sent, and every body that told a problem. */
export class CanaryWorkload {
  readonly source: SecretSource;
  readonly written: WrittenRow[] = [];
  readonly needles: Needle[] = [];
  /** Bodies that told a problem, or that went to someone who may not have the rows, by the region that answered. */
  readonly errorBodies: ReadonlyMap<CanaryRegionId, string[]> = new Map(
    CANARY_REGIONS.map(id => [id, ['{"code":"NONE"}']]),
  );
  readonly #random: SeededRandom;
  readonly #urls: (region: CanaryRegionId) => RegionUrls;

  constructor(random: SeededRandom, urls: (region: CanaryRegionId) => RegionUrls) {
    this.#random = random;
    this.#urls = urls;
    this.source = new SecretSource(random.stream('values'));
  }

  /** Keeps a body that tells a problem: nothing of a row may stand in it. */
  note(region: CanaryRegionId, text: string): void {
    this.errorBodies.get(region)?.push(text);
  }

  /** Groups that a region should take rows of and does not yet. */
  async refusedGroups(region: CanaryRegionId): Promise<readonly CanaryGroupName[]> {
    const mine = CANARY_GROUP_NAMES.filter(name => CANARY_GROUPS[name].writers.includes(region));
    const replies = await Promise.all(mine.map(name => this.#write(region, name, [this.#row(name, region)])));
    return mine.filter((_, at) => replies[at]?.status !== 200);
  }

  /** Writes that are accepted, and some that must not be: in a wrong region, of a wrong type, with unknown names. Throws where it is otherwise. */
  async writeRound(reachable: readonly CanaryRegionId[]): Promise<void> {
    for (const name of CANARY_GROUP_NAMES) {
      for (const id of CANARY_GROUPS[name].writers.filter(one => reachable.includes(one))) {
        const rows = Array.from({ length: 1 + this.#random.int(5) }, () => this.#row(name, id));
        const { status, text } = await this.#write(id, name, rows);
        if (status !== 200) throw new Error(`${id} refused ${name}: ${text}`);
      }
    }
    for (const id of reachable) {
      const elsewhere = this.pick(CANARY_REGIONS.filter(one => one !== id));
      const foreign: readonly CanaryGroupName[] = id === EUROPE ? ['secrets', 'orders', 'advice'] : [];
      for (const name of ['persons' as const, ...foreign]) {
        const { status } = await this.#write(id, name, [this.#row(name, elsewhere, NOWHERE)]);
        if (status < 400) throw new Error(`${id} accepted ${name} of ${elsewhere}: ${status}`);
      }
      const { status } = await this.#write(id, 'persons', [this.#spoilt(this.#row('persons', id, NOWHERE))]);
      if (status !== 422) throw new Error(`${id} answered ${status} to a row that cannot be`);
    }
  }

  /** Reads by HTTP of each region, by HTTP and by GraphQL of its gateway, of rows that are there and of some that are not. */
  async readRound(reachable: readonly CanaryRegionId[]): Promise<void> {
    for (const id of reachable) {
      for (const way of ['region', 'gateway', 'graphql'] as const) {
        const { group, region: origin, row } = this.pick(this.written);
        const asked = this.#random.int(4) === 0 ? this.#row(group, origin) : row;
        if (asked !== row) this.needles.push(...askedOnly(asked));
        const features = [`${group}:note`, `${group}:vector`, `${group}:count`];
        const { service, gateway } = this.#urls(id);
        const reply =
          way === 'graphql'
            ? await post(`${gateway}/graphql`, { query: QUERY, variables: { f: features, k: asked.key } })
            : await post(`${way === 'region' ? service : gateway}/v1/online/read`, {
                features,
                keys: asked.key,
              });
        const { placement, gateways } = CANARY_GROUPS[group].where(origin);
        const mayAnswer = (way === 'region' ? placement : gateways).includes(id);
        if (!mayAnswer || reply.status >= 400) this.note(id, reply.text);
        else this.note(id, JSON.stringify([reply.body.errors, problemsOf(reply.body)]));
      }
    }
  }

  /** One of them, by the seed. */
  pick<T>(from: readonly T[]): T {
    const found = from[this.#random.int(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  #row(name: CanaryGroupName, origin: CanaryRegionId, where?: Whereabouts): SecretRow {
    const { secret, fixed, where: permitted } = CANARY_GROUPS[name];
    return this.source.row(name, where ?? permitted(origin), { secret, fixed: fixed(origin) });
  }

  #spoilt(row: SecretRow): SecretRow {
    const note = row.features['note'];
    const wrong = this.pick<object>([
      { count: note },
      { [String(note)]: 1 },
      { blob: `"${String(note)}"` },
      { labels: note },
      { vector: [note] },
    ]);
    return { ...row, features: { ...row.features, ...wrong } };
  }

  /** Under an idempotency key, which is kept as a hash alone and so may be nowhere; nor may what is refused. */
  async #write(id: CanaryRegionId, name: CanaryGroupName, rows: readonly SecretRow[]): Promise<Reply> {
    const idempotencyKey = this.#random.base32(24);
    const body = rows.map(({ key, features }) => ({ key, features, eventTime: new Date().toISOString() }));
    const asLines = this.#random.int(2) === 0;
    const reply = await post(
      `${this.#urls(id).service}/v1/groups/${name}/rows`,
      asLines ? `${body.map(one => JSON.stringify(one)).join('\n')}\n` : { rows: body },
      { 'idempotency-key': idempotencyKey, ...(asLines ? { 'content-type': 'application/x-ndjson' } : {}) },
    );
    const isAccepted = reply.status === 200;
    this.needles.push({
      name: `idempotency key ${this.needles.length}`,
      value: { kind: 'text', text: idempotencyKey },
      ...NOWHERE,
    });
    const values = rows.flatMap(row => row.needles);
    this.needles.push(...(isAccepted ? values : values.map(needle => ({ ...needle, ...NOWHERE }))));
    if (isAccepted) this.written.push(...rows.map(row => ({ group: name, region: id, row })));
    else this.note(id, reply.text);
    return reply;
  }
}

/** What the needles of keys that are asked for and written nowhere are called. */
export const ASKED = 'asked ';

/** The keys of a row that is never written: only gateways and regions of its group may tell each other of them. */
function askedOnly({ needles }: SecretRow): readonly Needle[] {
  const keys = needles.filter(({ name }) => name.includes(' key '));
  return keys.map(needle => ({ ...needle, name: `${ASKED}${needle.name}` }));
}

/** Posts JSON, or a text as it is. */
export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, text, body: text.startsWith('{') ? JSON.parse(text) : undefined };
}

/** Everything under a member `problem`, however deep. */
function problemsOf(body: unknown): readonly unknown[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body).flatMap(([name, value]) => (name === 'problem' ? [value] : problemsOf(value)));
}
