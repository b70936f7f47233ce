import type { RegistryModesAnswer } from '@featuremesh/contracts/admin-registry-mode';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { Officer, OfficerSignature } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import {
  arbitrate,
  definitionOf,
  MODE_APPROVALS,
  type RegistryModeRecord,
} from '@featuremesh/domain/registry-mode';
import type { Registry } from '../ports/registry.ts';
import { modeApproval } from './mode-approval.ts';
import type { ModeKeeper } from './mode-keeper.ts';
import { signatureProblem } from './policy-verification.ts';

/** Tries of one change while others change the registry; each judges the newest entries. */
const MAX_TRIES = 5;

/** Decisions that may wait for approvals in one region. */
const MAX_PROPOSED = 16;

/** What the desk works with. */
export interface ModeDeskOptions {
  readonly registry: Registry;
  readonly officers: () => readonly Officer[];
  readonly keeper: Pick<ModeKeeper, 'settle'>;
}

/**
 * Takes decisions about who accepts definitions from proposal into force. They are signed as policies are; any region may take one, and
 * every region counts the approvals by its own officers before it follows.
 */
export class ModeDesk {
  readonly #options: ModeDeskOptions;

  constructor(options: ModeDeskOptions) {
    this.#options = options;
  }

  /** All decisions known here, the newest first, and what does not stand because of them. */
  async list(): Promise<RegistryModesAnswer> {
    const { registry, officers } = this.#options;
    return answerOf(await registry.entries(), registry.state().region, officers());
  }

  /** Stores a signed proposal; the same one again changes nothing. POLICY_SUPERSEDED where its epoch is not above all in force. */
  propose(record: RegistryModeRecord, actor: string): Promise<RegistryModesAnswer> {
    return this.#change(`propose registry epoch ${record.document.epoch}`, actor, entries => {
      const known = recordsOf(entries);
      const same = known.find(({ hash }) => hash === record.hash);
      if (same !== undefined) return same;
      const { mode, epoch } = record.document;
      const highest = Math.max(0, ...known.filter(one => one.approved).map(one => one.document.epoch));
      if (epoch <= highest)
        throw refusal('POLICY_SUPERSEDED', `registry epoch ${highest} is in force; propose ${highest + 1}`);
      const { regions } = this.#options.registry.state();
      if (mode.kind === 'central' && !regions.some(({ id }) => id === mode.region))
        throw refusal('INVALID_POLICY', `${mode.region} is not a region of this mesh`);
      if (known.filter(one => !one.approved).length >= MAX_PROPOSED)
        throw refusal('INVALID_POLICY', `${MAX_PROPOSED} decisions wait for approvals already`);
      for (const signature of record.signatures) this.#verify(record.hash, signature);
      return this.#weighed(record);
    });
  }

  /** Adds an approval; the decision is in force, and told to all, once two officers other than the proposer approved. */
  approve(
    of: { readonly hash: string; readonly signature: OfficerSignature },
    actor: string,
  ): Promise<RegistryModesAnswer> {
    return this.#change(`approve a registry decision by ${of.signature.officer}`, actor, entries => {
      const known = recordsOf(entries).find(({ hash }) => hash === of.hash);
      if (known === undefined) throw refusal('NOT_FOUND', 'no such decision is proposed here');
      this.#verify(known.hash, of.signature);
      if (of.signature.act !== 'approve')
        throw refusal('INVALID_SIGNATURE', 'the signature is over a proposal, not an approval');
      const by = (act: OfficerSignature['act']) =>
        known.signatures.some(one => one.act === act && one.officer === of.signature.officer);
      if (by('propose'))
        throw refusal('FORBIDDEN', 'whoever proposed a decision may not approve it (four eyes)');
      if (by('approve') || known.approved) return known;
      return this.#weighed({ ...known, signatures: [...known.signatures, of.signature] });
    });
  }

  async #change(
    what: string,
    actor: string,
    next: (entries: readonly CatalogueEntry[]) => RegistryModeRecord,
  ): Promise<RegistryModesAnswer> {
    const { registry, keeper } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const entries = await registry.entries();
      const { revision, region } = registry.state();
      const record = next(entries);
      try {
        await registry.commit({
          entries: [{ kind: 'registry-mode', home: region, sequence: 0, record }],
          expectedRevision: revision,
          actor,
          what,
        });
        if (record.approved) await keeper.settle();
        return await this.list();
      } catch (error) {
        const raced = error instanceof ProblemError && error.problem.code === 'CONCURRENT_CHANGE';
        if (!raced || attempt >= MAX_TRIES) throw error;
      }
    }
  }

  #verify(hash: string, signature: OfficerSignature): void {
    const wrong = signatureProblem(hash, signature, this.#options.officers());
    if (wrong !== undefined) throw new ProblemError(wrong);
  }

  /** In force only by what is counted here, whatever the record says of itself. */
  #weighed(record: RegistryModeRecord): RegistryModeRecord {
    const approval = modeApproval(record, this.#options.officers());
    if (!approval.ok) throw new ProblemError(approval.problem);
    return { ...record, approved: approval.value.sufficient };
  }
}

/** Of each decision one record, the approved one where there are both. */
function recordsOf(entries: readonly CatalogueEntry[]): readonly RegistryModeRecord[] {
  const records = new Map<string, RegistryModeRecord>();
  for (const entry of entries) {
    if (entry.kind !== 'registry-mode') continue;
    if (records.get(entry.record.hash)?.approved !== true) records.set(entry.record.hash, entry.record);
  }
  return [...records.values()].sort((a, b) => b.document.epoch - a.document.epoch);
}

function answerOf(
  entries: readonly CatalogueEntry[],
  region: string,
  officers: readonly Officer[],
): RegistryModesAnswer {
  const { modes, lost } = arbitrate(entries);
  const stateOf = (record: RegistryModeRecord): RegistryModesAnswer['decisions'][number]['state'] => {
    const { epoch, prefix } = record.document;
    if (!record.approved) return 'proposed';
    if (!modes.records.some(({ hash }) => hash === record.hash)) return 'conflicting';
    const newer = modes.records.some(
      one => one.document.epoch > epoch && prefix.startsWith(one.document.prefix),
    );
    return newer ? 'replaced' : 'in-force';
  };
  return {
    region,
    decisions: recordsOf(entries).map(record => {
      const approval = modeApproval(record, officers);
      return {
        record: structuredClone(record) as RegistryModesAnswer['decisions'][number]['record'],
        state: stateOf(record),
        approvals: approval.ok ? approval.value.approvers.length : 0,
        requiredApprovals: MODE_APPROVALS,
        takenOverBy: entries
          .flatMap(entry =>
            entry.kind === 'take-over' && entry.decision === record.hash ? [entry.home] : [],
          )
          .sort(),
      };
    }),
    lost: lost.map(entry => ({
      kind: entry.kind,
      definition: `${definitionOf(entry)?.home}/${definitionOf(entry)?.name}`,
      acceptedBy: entry.home,
      registryEpoch: entry.ruling?.epoch ?? 0,
    })),
  };
}

function refusal(code: Parameters<typeof problem>[0], detail: string): ProblemError {
  return new ProblemError(problem(code, detail));
}
