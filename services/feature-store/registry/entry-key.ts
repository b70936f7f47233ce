import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';

/** The key under which the newest form of an entry is kept: kind, home, and what is unique within them. */
export function entryKey(entry: CatalogueEntry): string {
  switch (entry.kind) {
    case 'region':
      return `region/${entry.home}`;
    case 'entity':
      return `entity/${entry.home}/${entry.entity.definition.name}`;
    case 'group':
    case 'opaque-group':
      return `group/${entry.home}/${entry.group.id}/${entry.group.version}`;
    case 'service':
      return `service/${entry.home}/${entry.service.definition.name}/${entry.service.version}`;
    case 'policy':
      return `policy/${entry.home}/${entry.policy.document.name}/${entry.policy.document.version}`;
    case 'registry-mode':
      return `registry-mode/${entry.home}/${entry.record.document.epoch}/${entry.record.hash}`;
    case 'take-over':
      return `take-over/${entry.home}/${entry.decision}`;
    case 'view':
      return `view/${entry.home}`;
  }
}

/** The thing's own name, for reports and the audit record; never a key of a row. */
export function entryName(entry: CatalogueEntry): string {
  switch (entry.kind) {
    case 'region':
      return entry.region.id;
    case 'entity':
      return entry.entity.definition.name;
    case 'group':
      return `${entry.group.definition.name}@v${entry.group.version}`;
    case 'opaque-group':
      return `${entry.group.id}@v${entry.group.version}`;
    case 'service':
      return `${entry.service.definition.name}@v${entry.service.version}`;
    case 'policy':
      return `${entry.policy.document.name} version ${entry.policy.document.version}`;
    case 'registry-mode':
      return `epoch ${entry.record.document.epoch} for ${entry.record.document.prefix || 'all names'}`;
    case 'take-over':
      return `decision ${entry.decision}`;
    case 'view':
      return `as of revision ${entry.sequence}`;
  }
}

/** How the audit record names an entry: by name at home, by number where a peer told it, so that a name can be forgotten here. */
export function auditedName(entry: CatalogueEntry, self: string): string {
  const what = entry.home === self ? entryName(entry) : `number ${entry.serial ?? entry.sequence}`;
  return `${entry.kind} ${entry.home}/${what}`;
}
