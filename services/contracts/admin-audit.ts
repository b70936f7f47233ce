import { createHash } from 'node:crypto';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import { z } from 'zod';
import { countSchema } from './wire-primitives.ts';

/** Most records of one answer of `GET /v1/admin/audit`. */
export const MAX_AUDIT_RECORDS = 10_000;

/** One line of the record of who changed what; each holds the hash of the one before (R9). */
const auditRecordSchema = z.strictObject({
  revision: countSchema,
  atMs: countSchema,
  actor: z.string(),
  what: z.string(),
  entries: z.array(z.string()),
  previousHash: z.string(),
});

/** Answer of `GET /v1/admin/audit`: the newest records, oldest first. */
export const auditAnswerSchema = z.strictObject({ records: z.array(auditRecordSchema) });

type AuditRecord = Readonly<Omit<z.infer<typeof auditRecordSchema>, 'entries'>> & {
  readonly entries: readonly string[];
};

/** SHA-256 hex of a record's canonical JSON: what the next record carries as `previousHash`. */
export function auditHash(record: AuditRecord): string {
  return createHash('sha256').update(canonicalJson(record)).digest('hex');
}

/** Index of the first record that does not hold the hash of the one before it; undefined where the chain is whole. */
export function brokenLink(records: readonly AuditRecord[]): number | undefined {
  for (let index = 1; index < records.length; index += 1) {
    const before = records[index - 1];
    const record = records[index];
    if (before !== undefined && record?.previousHash !== auditHash(before)) return index;
  }
  return undefined;
}
