import { join } from 'node:path';
import { KeyEncoder } from '@featuremesh/domain/entity-key';
import type { FeatureDefinition } from '@featuremesh/domain/feature-group';
import { rowEventTimeText } from '@featuremesh/domain/packed-row';
import { RowDecoder } from '@featuremesh/domain/row-decoder';
import { tableName } from '@featuremesh/domain/subjects';
import { TimestampFormatter } from '@featuremesh/domain/timestamp-formatter';
import { type Database, open, type RootDatabase } from 'lmdb';
import { z } from 'zod';

/** Named databases beside the tables of the groups that are read. */
const OTHER_DATABASES = 200;
/** As the region reserves it, so that both map the file alike. */
const MAP_BYTES = 256 * 1024 ** 3;

/** A group as it is read bare: by one join key of type string, all its features of type float64. */
export const bareGroupSchema = z.object({
  name: z.string(),
  id: z.string(),
  version: z.int(),
  joinKey: z.string(),
  features: z.array(z.string()),
});

/** What the schema takes. */
export type BareGroup = z.infer<typeof bareGroupSchema>;

/** Columns of one group, as a region answers them. */
export interface BareResult {
  readonly group: string;
  readonly version: number;
  readonly names: readonly string[];
  readonly columns: readonly (readonly unknown[])[];
  readonly eventTimes: readonly string[];
}

interface OpenGroup {
  readonly group: BareGroup;
  readonly rows: Database<Buffer, Uint8Array>;
  readonly encoder: KeyEncoder;
  readonly decoder: RowDecoder;
}

/**
 * Reads rows out of a running region's own LMDB file and decodes them, and nothing else: no plan, policy, status, max age or problem. What a
 * server around it reaches is what LMDB and JavaScript leave to a region that does its work.
 */
export class BareReader {
  readonly #root: RootDatabase<unknown, string>;
  readonly #groups: readonly OpenGroup[];

  /** `dataDir` is the region's own, of a region that keeps its rows in LMDB. */
  constructor(dataDir: string, groups: readonly BareGroup[]) {
    this.#root = open<unknown, string>({
      path: join(dataDir, 'lmdb', 'online'),
      noSubdir: false,
      readOnly: true,
      maxDbs: OTHER_DATABASES,
      mapSize: MAP_BYTES,
    });
    this.#groups = groups.map(group => ({
      group,
      rows: this.#table(group),
      encoder: new KeyEncoder([{ name: group.joinKey, type: 'string' }]),
      decoder: new RowDecoder([group.features.map(float64)], group.features),
    }));
  }

  /** The rows of these keys, one result a group; `keys` has one value or a list for each join key. Throws where a row is missing. */
  read(keys: Readonly<Record<string, unknown>>): readonly BareResult[] {
    this.#root.resetReadTxn();
    return this.#groups.map(open => readGroup(open, keys[open.group.joinKey]));
  }

  /** The newest generation of a group's table. Throws where there is none. */
  #table({ id, version, name }: BareGroup): Database<Buffer, Uint8Array> {
    const prefix = tableName(id, version, 0).slice(0, -1);
    const found = [...this.#root.getKeys()].filter(key => typeof key === 'string' && key.startsWith(prefix));
    const table = found.at(-1);
    if (table === undefined) throw new Error(`the region has no table of ${name}`);
    return this.#root.openDB<Buffer, Uint8Array>({
      name: table,
      encoding: 'binary',
      keyEncoding: 'binary',
    });
  }
}

function readGroup({ group, rows, encoder, decoder }: OpenGroup, asked: unknown): BareResult {
  const { name, version, features, joinKey } = group;
  const columns: unknown[][] = features.map(() => []);
  const eventTimes: string[] = [];
  const times = new TimestampFormatter();
  const values: readonly unknown[] = Array.isArray(asked) ? asked : [asked];
  const column = [values];
  for (let at = 0; at < values.length; at++) {
    const key = encoder.encodeRow(column, at);
    const row = key.ok ? rows.getBinaryFast(key.value) : undefined;
    if (row === undefined) throw new Error(`a row of ${name} is missing; keys are asked by ${joinKey}`);
    eventTimes.push(rowEventTimeText(row, times));
    decoder.decodeInto(row, columns, at);
  }
  return { group: name, version, names: features, columns, eventTimes };
}

function float64(name: string): FeatureDefinition {
  return { name, type: { kind: 'scalar', scalar: 'float64' }, nullable: false };
}
