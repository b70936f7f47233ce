import type { RegistryCopies } from '../../ports/registry-copies.ts';
import type { RegionRoster } from '../../registry/mesh-state-builder.ts';
import { CassandraRegistry } from './cassandra-registry.ts';
import { type CassandraTools, type ConfiguredCassandra, optionsOf } from './open-cassandra-store.ts';

/** The registry that region.yaml describes, with its secrets read. Throws INVALID_CONFIG where one cannot be read. */
export function openCassandraRegistry(
  configured: Omit<ConfiguredCassandra, 'member'>,
  parts: { readonly roster: RegionRoster; readonly copies: RegistryCopies },
  tools: CassandraTools,
): Promise<CassandraRegistry> {
  const cassandra = optionsOf({ ...configured, member: 'registry' }, tools);
  return CassandraRegistry.open({ cassandra, ...parts });
}
