import { createHash } from 'node:crypto';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import type { AuditRecord } from '../ports/registry.ts';

/** SHA-256 hex of a record's canonical JSON: what the next record carries as `previousHash`. */
export function auditHash(record: AuditRecord): string {
  return createHash('sha256').update(canonicalJson(record)).digest('hex');
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
