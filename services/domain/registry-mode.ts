import { canonicalJson } from './canonical-json.ts';
import type { CatalogueEntry } from './catalogue-entry.ts';
import type { OfficerSignature } from './policy.ts';
import type { RegionId } from './region-id.ts';

/** Who accepts definitions: each home region its own, or one region those of all homes. */
export type RegistryMode =
  | { readonly kind: 'federated' }
  | { readonly kind: 'central'; readonly region: RegionId };

/** A decision of the mesh about who accepts definitions, as officers sign it. It belongs to no home region. */
export interface RegistryModeDocument {
  /** Definitions whose name begins so; empty for all. */
  readonly prefix: string;
  readonly mode: RegistryMode;
  /** Numbered over the whole mesh: of the documents that cover a name the one with the highest epoch counts. */
  readonly epoch: number;
  readonly reason: string;
}

/** A document with its signatures. It counts in a region once enough of that region's officers approved it. */
export interface RegistryModeRecord {
  readonly document: RegistryModeDocument;
  /** SHA-256 hex of `registryModeHashText`. */
  readonly hash: string;
  readonly signatures: readonly OfficerSignature[];
  /** True once the telling region found the approvals sufficient; every region judges them itself. */
  readonly approved: boolean;
}

/** By which decision a region speaks for a definition. */
export interface Ruling {
  /** Hash of the document. An entry without a ruling is the home's own, said where there is none. */
  readonly decision: string;
  readonly epoch: number;
  /** Highest sequence of each other region's entry of the same thing that this one took over, at the hand-over or before. */
  readonly adopted?: Readonly<Record<string, number>>;
}

/** The canonical text of a document, to be hashed with SHA-256 (hex) by the caller; no policy has it. */
export function registryModeHashText(document: RegistryModeDocument): string {
  return canonicalJson({ kind: 'registry-mode', ...document });
}

/** Approvals by compliance officers besides the proposer: as for a loosening, since it moves who may define. */
export const MODE_APPROVALS = 2;

/** An entry of a definition: what a region may speak for on behalf of its home. */
export type DefinitionEntry = Extract<CatalogueEntry, { kind: 'entity' | 'group' | 'service' }>;

/** Home and name of a definition; undefined for what is none. */
export function definitionOf(
  entry: CatalogueEntry,
): { readonly home: RegionId; readonly name: string; readonly key: string } | undefined {
  switch (entry.kind) {
    case 'entity': {
      const { homeRegion, definition } = entry.entity;
      return { home: homeRegion, name: definition.name, key: `entity/${homeRegion}/${definition.name}` };
    }
    case 'group': {
      const { version, definition } = entry.group;
      const { homeRegion: home, name } = definition;
      return { home, name, key: `group/${home}/${name}/${version}` };
    }
    case 'service': {
      const { version, definition } = entry.service;
      const { homeRegion: home, name } = definition;
      return { home, name, key: `service/${home}/${name}/${version}` };
    }
    default:
      return undefined;
  }
}

/** Who may speak for a definition, by which epoch. */
export interface Authority {
  readonly region: RegionId;
  /** 0 and no decision where the home speaks for itself because nothing was ever decided. */
  readonly epoch: number;
  readonly decision: string;
}

/** The decisions in force, of one epoch one: equal epochs are settled by the smaller hash, everywhere alike (M3). */
export class RegistryModes {
  readonly records: readonly RegistryModeRecord[];
  /** Epochs for which there are several documents. */
  readonly conflicts: readonly number[];

  /** Approved records only, in any order, repeated or not. */
  constructor(records: readonly RegistryModeRecord[]) {
    const byEpoch = new Map<number, RegistryModeRecord>();
    const conflicts = new Set<number>();
    for (const record of records) {
      const known = byEpoch.get(record.document.epoch);
      if (known !== undefined && known.hash !== record.hash) conflicts.add(record.document.epoch);
      if (known === undefined || record.hash < known.hash) byEpoch.set(record.document.epoch, record);
    }
    this.records = [...byEpoch.values()].sort((a, b) => b.document.epoch - a.document.epoch);
    this.conflicts = [...conflicts].sort((a, b) => a - b);
  }

  /** Who accepts definitions of this home and name. */
  authority(home: RegionId, name: string): Authority {
    const record = this.records.find(({ document }) => name.startsWith(document.prefix));
    if (record === undefined) return { region: home, epoch: 0, decision: NO_DECISION };
    const { mode, epoch } = record.document;
    return { region: mode.kind === 'central' ? mode.region : home, epoch, decision: record.hash };
  }

  /** Whether by that decision each home spoke for itself, as it does where there is none. */
  wasFederated(decision: string): boolean {
    return decision === NO_DECISION || this.#find(decision)?.document.mode.kind === 'federated';
  }

  /** Where a decision stands among all; below all where it is not known or lost against another of its epoch. */
  rank(decision: string): number {
    return decision === NO_DECISION ? 0 : (this.#find(decision)?.document.epoch ?? -1);
  }

  #find(decision: string): RegistryModeRecord | undefined {
    return this.records.find(({ hash }) => hash === decision);
  }

  /** Whether any decision, also one that was replaced, lets `region` speak for others' definitions of this name. */
  everCentral(region: RegionId, name: string | undefined): boolean {
    return this.records.some(
      ({ document: { mode, prefix } }) =>
        mode.kind === 'central' && mode.region === region && (name === undefined || name.startsWith(prefix)),
    );
  }
}

/** What stands of all that was told, and what does not. */
export interface Arbitration {
  readonly modes: RegistryModes;
  /** Every entry that is no definition, and of each definition the one that counts. */
  readonly standing: readonly CatalogueEntry[];
  /** Definitions accepted by a region that no longer had the say, and taken over by nobody: reported, never merged (M2). */
  readonly lost: readonly DefinitionEntry[];
}

/**
 * Decides between what several regions say of the same definitions: a function of the set of entries, so that the order in which they
 * came means nothing (M3). The region with the say counts; until it said that it has taken everything over, what was there before stands.
 */
export function arbitrate(entries: readonly CatalogueEntry[]): Arbitration {
  const modes = new RegistryModes(
    entries.flatMap(entry => (entry.kind === 'registry-mode' && entry.record.approved ? [entry.record] : [])),
  );
  if (modes.records.length === 0) return { modes, standing: entries, lost: [] };
  const takenOver = new Set(
    entries.flatMap(entry => (entry.kind === 'take-over' ? [`${entry.home} ${entry.decision}`] : [])),
  );
  const claims = new Map<string, Claim[]>();
  const standing: CatalogueEntry[] = [];
  for (const entry of entries) {
    const of = definitionOf(entry);
    if (of === undefined) standing.push(entry);
    else claims.set(of.key, [...(claims.get(of.key) ?? []), claimOf(entry as DefinitionEntry, of, modes)]);
  }
  const lost: DefinitionEntry[] = [];
  const ids = idsOf([...claims.values()].flat(), modes);
  for (const rivals of claims.values()) {
    const ranked = rivals.toSorted((a, b) => compareClaims(a, b, modes));
    const [best] = ranked;
    if (best === undefined) continue;
    const { region, decision } = best.authority;
    const closed = takenOver.has(`${region} ${decision}`);
    const fitting = ranked.filter(
      ({ entry }) => entry.kind !== 'group' || ids.get(nameOf(entry)) === entry.group.id,
    );
    const chosen = fitting.find(claim => claim.rightful || !closed || ownOfItsTime(claim, modes));
    if (chosen !== undefined) standing.push(chosen.entry);
    if (!best.rightful && !closed) continue;
    for (const { entry } of ranked)
      if (entry !== chosen?.entry && (chosen === undefined || !adopts(chosen.entry, entry))) lost.push(entry);
  }
  return { modes, standing, lost };
}

const nameOf = ({ group: { definition } }: Extract<DefinitionEntry, { kind: 'group' }>): string =>
  `${definition.homeRegion}/${definition.name}`;

/** The id of each group: that of the claim which counts most, over all versions, so that one name never means two groups. */
function idsOf(claims: readonly Claim[], modes: RegistryModes): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  for (const { entry } of claims.toSorted((a, b) => compareClaims(a, b, modes)))
    if (entry.kind === 'group' && !ids.has(nameOf(entry))) ids.set(nameOf(entry), entry.group.id);
  return ids;
}

/** An entry with whether its teller has the say now. */
interface Claim {
  readonly entry: DefinitionEntry;
  readonly authority: Authority;
  readonly rightful: boolean;
}

function claimOf(entry: DefinitionEntry, of: { home: RegionId; name: string }, modes: RegistryModes): Claim {
  const authority = modes.authority(of.home, of.name);
  // What was said under a decision that lost against another of its epoch counts where its teller has the say all the same.
  const decision = decisionOf(entry);
  const counts = decision === authority.decision || modes.rank(decision) < 0;
  const rightful = entry.home === authority.region && counts;
  return { entry, authority, rightful };
}

const NO_DECISION = '';

const decisionOf = (entry: DefinitionEntry): string => entry.ruling?.decision ?? NO_DECISION;

/** What a home said of its own while it had the say: it stands until the region that has it now hears of it and takes it over. */
function ownOfItsTime({ entry }: Claim, modes: RegistryModes): boolean {
  return definitionOf(entry)?.home === entry.home && modes.wasFederated(decisionOf(entry));
}

/** The rightful one first, then the latest decision, then a fixed order. */
function compareClaims(a: Claim, b: Claim, modes: RegistryModes): number {
  if (a.rightful !== b.rightful) return a.rightful ? -1 : 1;
  const ranks = modes.rank(decisionOf(b.entry)) - modes.rank(decisionOf(a.entry));
  return ranks !== 0 ? ranks : a.entry.home < b.entry.home ? -1 : 1;
}

function adopts(rightful: DefinitionEntry, other: DefinitionEntry): boolean {
  return (rightful.ruling?.adopted?.[other.home] ?? 0) >= other.sequence;
}

/**
 * What `self` has to write so that it speaks for all that it has the say in, and the word that it has taken everything over. Empty where
 * that is done. Own forms of the same thing keep what they adopted before.
 */
export function takeOver(self: RegionId, entries: readonly CatalogueEntry[]): readonly CatalogueEntry[] {
  const { modes, standing } = arbitrate(entries);
  const own = new Map(
    entries.flatMap(entry => {
      const of = entry.home === self ? definitionOf(entry) : undefined;
      return of === undefined ? [] : [[of.key, entry as DefinitionEntry] as const];
    }),
  );
  const written: CatalogueEntry[] = [];
  for (const entry of standing) {
    const of = definitionOf(entry);
    if (of === undefined) continue;
    const { region, epoch, decision } = modes.authority(of.home, of.name);
    const told = entry as DefinitionEntry;
    if (region !== self || (told.home === self && decisionOf(told) === decision)) continue;
    const adopted = { ...own.get(of.key)?.ruling?.adopted, ...told.ruling?.adopted };
    if (told.home !== self) adopted[told.home] = told.sequence;
    const { serial: _serial, ...rest } = told;
    written.push({
      ...rest,
      home: self,
      sequence: 0,
      ruling: { decision, epoch, adopted },
    } as CatalogueEntry);
  }
  const said = new Set(
    entries.flatMap(entry => (entry.kind === 'take-over' && entry.home === self ? [entry.decision] : [])),
  );
  const words = modes.records
    .filter(({ document: { mode } }) => mode.kind === 'federated' || mode.region === self)
    .filter(({ hash }) => !said.has(hash))
    .map(({ hash }) => ({ kind: 'take-over' as const, home: self, sequence: 0, decision: hash }));
  return [...written, ...words];
}
