import { tableName } from '@featuremesh/domain/subjects';
import type { TableRef } from '../../ports/online-store.ts';

const PATTERN = /^g_([a-z2-7]{16})_v(\d{1,5})_p(\d{1,9})$/;

/** The name of a table's named database. */
export function nameOfTable({ groupId, version, generation }: TableRef): string {
  return tableName(groupId, version, generation);
}

/** The table that a named database holds; undefined for databases that are no tables. */
export function tableOfName(name: string): TableRef | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const [, groupId, version, generation] = match;
  if (groupId === undefined) return undefined;
  return { groupId, version: Number(version), generation: Number(generation) };
}
