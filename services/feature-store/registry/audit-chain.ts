import { auditHash } from '@featuremesh/contracts/admin-audit';
import type { AuditRecord, Registry } from '../ports/registry.ts';
import { auditedName } from './entry-key.ts';
import type { ImageChange } from './registry-image.ts';

/** The record of a change that wrote something, chained to the one before it. */
export function auditRecordOf(
  change: Pick<Parameters<Registry['commit']>[0], 'actor' | 'what'>,
  { image, written }: ImageChange,
  before: { readonly previous: AuditRecord | undefined; readonly atMs: number; readonly self: string },
): AuditRecord {
  return {
    revision: image.revision,
    atMs: before.atMs,
    actor: change.actor,
    what: change.what,
    entries: written.map(({ entry }) => auditedName(entry, before.self)),
    previousHash: before.previous === undefined ? '' : auditHash(before.previous),
  };
}
