import { Catalogue } from './catalogue-lookup.ts';
import type { CatalogueGroup } from './feature-group.ts';
import type { MeshState, RegionInfo } from './mesh-state.ts';
import {
  EGRESS_CLASSES,
  type EgressClass,
  type PolicyRecord,
  VISIBILITIES,
  type Visibility,
} from './policy.ts';
import { allowedByDocument, matchesGroup, policiesInForce } from './policy-rules.ts';
import type { RegionId } from './region-id.ts';

/** Where a group's rows may be and who may read them: all matching policies in force combined, the strictest of each field (A6). */
export interface GroupPlacement {
  /** What policy permits, sorted; the home region where no policy matches. */
  readonly allowed: readonly RegionId[];
  /** allowed ∩ (sync.regions ∪ home), sorted. */
  readonly placement: readonly RegionId[];
  readonly rows: 'shared' | 'origin';
  /** True where every placement region holds all rows: active-active and shared. */
  readonly replicated: boolean;
  /** True where rows may be in no region any more, though the definition is placed and known as before. */
  readonly purged: boolean;
  readonly egress: EgressClass;
  readonly readers: {
    /** Intersection of the lists that policies state; null where none does. */
    readonly jurisdictions: readonly string[] | null;
    readonly purposes: readonly string[] | null;
    /** True where a matching policy, or the lack of one, leaves readers to the default: jurisdictions of the placement or slice. */
    readonly byPlacement: boolean;
  };
  readonly visibility: Visibility;
  readonly maxPolicyAgeMs: number | null;
  /** Opaque id of the policies that led here; equal in all regions that know the same policies. */
  readonly policyEpoch: string;
  /** Home regions whose policies count here: the group's own and those of its inputs, sorted. */
  readonly policyHomes: readonly RegionId[];
}

/** What a caller was granted; `all` without authentication. `purpose` narrows to one. */
export interface ReadCaller {
  readonly jurisdictions: readonly string[] | 'all';
  readonly purposes: readonly string[] | 'all';
  readonly purpose?: string;
}

/** Placements of one mesh state, computed once per group until a policy's effective date passes. */
export class Placements {
  readonly #state: MeshState;
  readonly #catalogue: Catalogue;
  #known = new Map<string, GroupPlacement>();
  #inForce: readonly PolicyRecord[] = [];
  #validFromMs = Infinity;
  #validUntilMs = -Infinity;

  constructor(state: MeshState, catalogue: Catalogue = new Catalogue(state)) {
    this.#state = state;
    this.#catalogue = catalogue;
  }

  /** The group's placement at `nowMs`; a derived group inherits every restriction of its inputs, an unknown input leaves nothing. */
  of(group: CatalogueGroup, nowMs: number): GroupPlacement {
    if (nowMs < this.#validFromMs || nowMs >= this.#validUntilMs) this.#reset(nowMs);
    const key = `${group.id}@${group.version}@${group.revision}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const placement = resolve(combine(this.#sources(group), this.#state), group, this.#state);
    this.#known.set(key, placement);
    return placement;
  }

  #reset(nowMs: number): void {
    this.#known = new Map();
    this.#inForce = policiesInForce(this.#state.policies, nowMs);
    const dates = this.#state.policies.flatMap(({ document: { effective } }) => [
      Date.parse(effective.from),
      effective.until === null ? Infinity : Date.parse(effective.until),
    ]);
    this.#validFromMs = Math.max(-Infinity, ...dates.filter(date => date <= nowMs));
    this.#validUntilMs = Math.min(Infinity, ...dates.filter(date => date > nowMs));
  }

  /** The group and all that it is computed from, each with its policies; `undefined` stands for an unknown input. */
  #sources(group: CatalogueGroup): readonly (Source | undefined)[] {
    const sources = new Map<string, Source | undefined>();
    const pending: (CatalogueGroup | string)[] = [group];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (typeof next === 'string') {
        sources.set(next, undefined);
        continue;
      }
      const key = `${next.id}@${next.version}`;
      if (sources.has(key)) continue;
      const current = next;
      sources.set(key, {
        group: current,
        policies: this.#inForce.filter(record => matchesGroup(record.document, current)),
      });
      if (current.definition.inputs === 'external') continue;
      for (const reference of current.definition.inputs) {
        const input = this.#catalogue.group(reference, current.definition.homeRegion);
        pending.push(input.ok ? input.value : reference);
      }
    }
    return [...sources.values()];
  }
}

interface Source {
  readonly group: CatalogueGroup;
  readonly policies: readonly PolicyRecord[];
}

/** The placement of one group; where many are asked for, keep a `Placements` per state. */
export function placementOf(group: CatalogueGroup, state: MeshState, nowMs: number): GroupPlacement {
  return new Placements(state).of(group, nowMs);
}

/** Regions whose gateways may carry answers from `holder`: the placement (or the slice's own region), and what the egress class adds. */
export function gatewaySet(p: GroupPlacement, holder: RegionId, state: MeshState): readonly RegionId[] {
  if (!p.placement.includes(holder)) return [];
  const base = p.rows === 'origin' ? [holder] : p.placement;
  const jurisdiction = jurisdictionOf(holder, state);
  return state.regions
    .filter(region => {
      if (base.includes(region.id) || p.egress === 'proxy') return true;
      return p.egress === 'in-domain' && region.jurisdiction === jurisdiction;
    })
    .map(region => region.id);
}

/** Whether `region` may hold rows that `origin` accepted: any placement region where replicated, else only the origin itself; none once purged. */
export function mayHold(p: GroupPlacement, region: RegionId, origin: RegionId): boolean {
  return !p.purged && p.placement.includes(region) && (p.replicated || region === origin);
}

/** Whether the caller may receive rows that `holder` holds: its jurisdictions and purposes against the policy's readers (R11). */
export function mayRead(p: GroupPlacement, caller: ReadCaller, holder: RegionId, state: MeshState): boolean {
  return jurisdictionMayRead(p, caller.jurisdictions, holder, state) && purposeMayRead(p, caller);
}

/** Whether the policy of any home region that counts here has gone unconfirmed for longer than `maxPolicyAge` (fails closed, A6). */
export function policyIsStale(p: GroupPlacement, state: MeshState, nowMs: number): boolean {
  const maxAgeMs = p.maxPolicyAgeMs;
  if (maxAgeMs === null) return false;
  return p.policyHomes.some(home => {
    if (home === state.region) return false;
    const confirmedAtMs = state.policyConfirmedAtMs[home];
    return confirmedAtMs === undefined || nowMs - confirmedAtMs > maxAgeMs;
  });
}

function jurisdictionMayRead(
  p: GroupPlacement,
  held: ReadCaller['jurisdictions'],
  holder: RegionId,
  state: MeshState,
): boolean {
  const { jurisdictions, byPlacement } = p.readers;
  if (held === 'all') return jurisdictions === null || jurisdictions.length > 0;
  const places = p.rows === 'origin' ? [holder] : p.placement;
  const byDefault = new Set(places.map(region => jurisdictionOf(region, state)));
  return held.some(
    one => (!byPlacement || byDefault.has(one)) && (jurisdictions === null || jurisdictions.includes(one)),
  );
}

function purposeMayRead(p: GroupPlacement, caller: ReadCaller): boolean {
  const { purposes } = p.readers;
  const { purpose } = caller;
  if (purpose !== undefined) {
    const granted = caller.purposes === 'all' || caller.purposes.includes(purpose);
    return granted && (purposes === null || purposes.includes(purpose));
  }
  if (purposes === null) return true;
  if (caller.purposes === 'all') return purposes.length > 0;
  return caller.purposes.some(one => purposes.includes(one));
}

type Combined = Omit<GroupPlacement, 'placement' | 'replicated' | 'purged'>;

/** Intersects all policies of all sources; a source without any counts as its home region only. */
function combine(sources: readonly (Source | undefined)[], state: MeshState): Combined {
  const known = sources.filter(source => source !== undefined);
  const records = known.flatMap(source => source.policies);
  const documents = records.map(record => record.document);
  const limits = known.flatMap(({ group, policies }) =>
    policies.length === 0
      ? [[group.definition.homeRegion]]
      : policies.map(({ document }) => allowedByDocument(document, state)),
  );
  const allowed =
    known.length < sources.length ? [] : (limits.reduce(intersection, limits[0] ?? []) as RegionId[]);
  const ages = documents.map(document => document.maxPolicyAgeMs).filter(age => age !== null);
  return {
    allowed: [...new Set(allowed)].toSorted(),
    rows: documents.some(document => document.rows === 'origin') ? 'origin' : 'shared',
    egress: known.some(source => source.policies.length === 0)
      ? 'local-only'
      : strictest(
          EGRESS_CLASSES,
          'first',
          documents.map(document => document.egress),
        ),
    readers: {
      jurisdictions: intersectLists(documents.map(document => document.readers.jurisdictions)),
      purposes: intersectLists(documents.map(document => document.readers.purposes)),
      byPlacement:
        known.some(source => source.policies.length === 0) ||
        documents.some(document => document.readers.jurisdictions === null),
    },
    visibility: strictest(VISIBILITIES, 'last', ['full', ...documents.map(document => document.visibility)]),
    maxPolicyAgeMs: ages.length === 0 ? null : Math.min(...ages),
    policyEpoch: epochOf(records),
    policyHomes: [...new Set(known.map(source => source.group.definition.homeRegion))].toSorted(),
  };
}

function resolve(combined: Combined, group: CatalogueGroup, _state: MeshState): GroupPlacement {
  const { sync, homeRegion } = group.definition;
  return {
    ...combined,
    placement: combined.allowed.filter(region => region === homeRegion || sync.regions.includes(region)),
    replicated: sync.mode === 'active-active' && combined.rows === 'shared',
    purged: group.purged === true,
  };
}

function intersection<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  return a.filter(one => b.includes(one));
}

function intersectLists(lists: readonly (readonly string[] | null)[]): readonly string[] | null {
  const stated = lists.filter(list => list !== null);
  return stated.length === 0 ? null : [...new Set(stated.reduce(intersection))].toSorted();
}

/** The strictest of `chosen`, where `order` runs from the named end on. */
function strictest<T extends string>(order: readonly T[], end: 'first' | 'last', chosen: readonly T[]): T {
  const ranks = chosen.map(one => order.indexOf(one));
  const rank = end === 'first' ? Math.min(...ranks) : Math.max(...ranks);
  const found = order[rank];
  if (found === undefined) throw new TypeError('nothing to choose from');
  return found;
}

function jurisdictionOf(region: RegionId, state: MeshState): string | undefined {
  return state.regions.find((info: RegionInfo) => info.id === region)?.jurisdiction;
}

/** FNV-1a, 64 bits, over the policies' hashes: an id, not a proof. */
function epochOf(records: readonly PolicyRecord[]): string {
  const texts = [
    ...new Set(records.map(record => `${record.document.home}/${record.document.name}@${record.hash}`)),
  ];
  let hash = 0xcbf29ce484222325n;
  for (const character of texts.toSorted().join('\n')) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0) ?? 0)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
