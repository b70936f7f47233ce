import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';

/** The key under which the newest form of an entry is kept: kind, home, and what is unique within them. */
export function entryKey(entry: CatalogueEntry): string {
  switch (entry.kind) {
    case 'region':
      return `region/${entry.home}`;
    case 'entity':
      return `entity/${entry.home}/${entry.entity.definition.name}`;
    case 'group':
      return `group/${entry.home}/${entry.group.id}/${entry.group.version}`;
    case 'service':
      return `service/${entry.home}/${entry.service.definition.name}/${entry.service.version}`;
    case 'policy':
      return `policy/${entry.home}/${entry.policy.document.name}/${entry.policy.document.version}`;
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
    case 'service':
      return `${entry.service.definition.name}@v${entry.service.version}`;
    case 'policy':
      return `${entry.policy.document.name} version ${entry.policy.document.version}`;
  }
}
