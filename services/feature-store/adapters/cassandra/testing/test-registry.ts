import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryCopy } from '../../../ports/registry-copies.ts';
import type { RegionRoster } from '../../../registry/mesh-state-builder.ts';
import { FileRegistryCopies } from '../../filesystem/file-registry-copies.ts';
import type { CassandraStoreOptions } from '../cassandra-options.ts';
import { CassandraRegistry } from '../cassandra-registry.ts';

/** One machine of a region: its processes share a copy of the registry. */
export interface RegistryMachine {
  readonly open: () => Promise<CassandraRegistry>;
  /** Puts a copy there, as a registry of the machine would. */
  readonly keep: (copy: RegistryCopy) => Promise<void>;
  readonly remove: () => Promise<void>;
}

/** A machine whose copy is empty, with the registry of the options' keyspace. */
export async function registryMachine(
  cassandra: CassandraStoreOptions,
  roster: RegionRoster,
): Promise<RegistryMachine> {
  const folder = await mkdtemp(join(tmpdir(), 'fm-registry-copy-'));
  const { logger } = cassandra;
  let slot = 0;
  return {
    open: () => {
      const copies = new FileRegistryCopies({ folder, slot, logger });
      slot += 1;
      return CassandraRegistry.open({ cassandra, roster, copies });
    },
    keep: copy => new FileRegistryCopies({ folder, slot: 0, logger }).save(copy),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
