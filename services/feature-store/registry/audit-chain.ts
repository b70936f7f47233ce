import { createHash } from 'node:crypto';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import type { AuditRecord, Registry } from '../ports/registry.ts';
import { entryName } from './entry-key.ts';
import type { ImageChange } from './registry-image.ts';

/** SHA-256 hex of a record's canonical JSON: what the next record carries as `previousHash`. */
function auditHash(record: AuditRecord): string {
  return createHash('sha256').update(canonicalJson(record)).digest('hex');
}

/** The record of a change that wrote something, chained to the one before it. */
export function auditRecordOf(
  change: Pick<Parameters<Registry['commit']>[0], 'actor' | 'what'>,
  { image, written }: ImageChange,
  before: { readonly previous: AuditRecord | undefined; readonly atMs: number },
): AuditRecord {
  return {
    revision: image.revision,
    atMs: before.atMs,
    actor: change.actor,
    what: change.what,
    entries: written.map(({ entry }) => `${entry.kind} ${entry.home}/${entryName(entry)}`),
    previousHash: before.previous === undefined ? '' : auditHash(before.previous),
  };
}

/** Index of the first record whose `previousHash` does not match the one before it; undefined where the chain is whole. */
export function brokenLink(records: readonly AuditRecord[]): number | undefined {
  for (let index = 1; index < records.length; index += 1) {
    const before = records[index - 1];
    const record = records[index];
    if (before !== undefined && record?.previousHash !== auditHash(before)) return index;
  }
  return undefined;
}
