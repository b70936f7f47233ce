import type { PolicyListItem, PolicyPlan } from '@featuremesh/contracts/admin-policies';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Officer, OfficerSignature, PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Registry } from '../ports/registry.ts';
import type { Enforcement } from './enforcement.ts';
import { documentProblem } from './policy-document-rules.ts';
import { blindedBy, emptiedBy, policyImpact, policyState } from './policy-impact.ts';
import { type Approval, signatureProblem, weighApprovals } from './policy-verification.ts';
import type { TableKeeper } from './table-keeper.ts';

/** Tries of one change while others change the registry; each judges the newest state. */
const MAX_TRIES = 5;

/** What the desk works with. */
export interface PolicyDeskOptions {
  readonly registry: Registry;
  readonly officers: () => readonly Officer[];
  readonly tables: Pick<TableKeeper, 'settle'>;
  readonly enforcement: Enforcement;
  readonly clock: Clock;
}

/** What `propose` and `approve` answer. */
export interface PolicyAnswer {
  readonly policy: PolicyListItem;
  readonly plan: PolicyPlan;
}

interface World {
  readonly state: MeshState;
  readonly records: readonly PolicyRecord[];
  readonly nowMs: number;
}

/**
 * Takes policies from proposal into force at their home region. Every signature is verified against this region's own
 * officers; the epoch is given when approvals suffice, never by the proposer (A6, R5).
 */
export class PolicyDesk {
  readonly #options: PolicyDeskOptions;

  constructor(options: PolicyDeskOptions) {
    this.#options = options;
  }

  /** How a document would act; stores nothing. Throws INVALID_POLICY, NOT_HOME, POLICY_SUPERSEDED, EMPTY_PLACEMENT. */
  async plan(document: PolicyDocument): Promise<PolicyPlan> {
    const world = await this.#world();
    return judged(document, world);
  }

  /** Stores a signed proposal; the same one again answers as before. Approvals that it carries already count. */
  propose(record: PolicyRecord, actor: string): Promise<PolicyAnswer> {
    return this.#change(
      `propose policy ${record.document.name} version ${record.document.version}`,
      actor,
      world => {
        judged(record.document, world);
        const known = find(world, record.document);
        if (known !== undefined && known.hash !== record.hash)
          throw superseded(`version ${record.document.version} exists with other content`);
        const signatures = known?.signatures ?? record.signatures;
        const proposal = this.#settled({ ...record, signatures, epoch: known?.epoch ?? 0 }, world);
        if (record.epoch > 0 && proposal.epoch === 0)
          throw new ProblemError(
            problem(
              'POLICY_NOT_APPROVED',
              'the record claims to be in force but its approvals do not suffice',
            ),
          );
        return proposal;
      },
    );
  }

  /** Adds an officer's approval; puts the policy in force once enough officers other than the proposer approved. */
  approve(
    of: {
      readonly home: string;
      readonly name: string;
      readonly version: number;
      readonly signature: OfficerSignature;
    },
    actor: string,
  ): Promise<PolicyAnswer> {
    return this.#change(
      `approve policy ${of.name} version ${of.version} by ${of.signature.officer}`,
      actor,
      world => {
        const known = find(world, of);
        if (known === undefined)
          throw new ProblemError(
            problem('NOT_FOUND', `no policy ${of.name} version ${of.version} is proposed here`),
          );
        judged(known.document, world);
        const wrong = signatureProblem(known.hash, of.signature, this.#options.officers());
        if (wrong !== undefined) throw new ProblemError(wrong);
        if (of.signature.act !== 'approve')
          throw new ProblemError(
            problem('INVALID_SIGNATURE', 'the signature is over a proposal, not an approval'),
          );
        if (
          known.signatures.some(({ act, officer }) => act === 'propose' && officer === of.signature.officer)
        )
          throw new ProblemError(
            problem('FORBIDDEN', 'whoever proposed a policy may not approve it (four eyes)'),
          );
        const again = known.signatures.some(
          ({ act, officer }) => act === 'approve' && officer === of.signature.officer,
        );
        if (again) return known;
        return this.#settled({ ...known, signatures: [...known.signatures, of.signature] }, world);
      },
    );
  }

  /** All policies known here, own and imported, with where they stand now. */
  async list(): Promise<readonly PolicyListItem[]> {
    const world = await this.#world();
    return world.records.map(record => this.#item(record, world));
  }

  async #change(what: string, actor: string, next: (world: World) => PolicyRecord): Promise<PolicyAnswer> {
    const { registry, tables, enforcement } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const world = await this.#world();
      const policy = next(world);
      const plan = policyImpact(policy.document, world);
      try {
        const state = await registry.commit({
          entries: [{ kind: 'policy', home: world.state.region, sequence: 0, policy }],
          expectedRevision: world.state.revision,
          actor,
          what,
        });
        if (policy.epoch > 0) {
          await tables.settle();
          await enforcement.waitFor(state.revision);
        }
        return { policy: this.#item(policy, await this.#world()), plan };
      } catch (error) {
        const raced = error instanceof ProblemError && error.problem.code === 'CONCURRENT_CHANGE';
        if (!raced || attempt >= MAX_TRIES) throw error;
      }
    }
  }

  /** Verifies every signature and gives the next epoch where the approvals suffice. */
  #settled(record: PolicyRecord, world: World): PolicyRecord {
    for (const signature of record.signatures) {
      const wrong = signatureProblem(record.hash, signature, this.#options.officers());
      if (wrong !== undefined) throw new ProblemError(wrong);
    }
    const approval = this.#weigh(record, world);
    if (record.epoch > 0 || approval.approvers.length < approval.required) return record;
    return { ...record, epoch: (world.state.policyEpochs[world.state.region] ?? 0) + 1 };
  }

  #weigh(record: PolicyRecord, world: World): Approval {
    const approval = weighApprovals(record, { ...world, officers: this.#options.officers() });
    if (!approval.ok) throw new ProblemError(approval.problem);
    return approval.value;
  }

  #item(record: PolicyRecord, world: World): PolicyListItem {
    const approval = weighApprovals(record, { ...world, officers: this.#options.officers() });
    return {
      record: { ...record, document: mutable(record.document), signatures: [...record.signatures] },
      state: policyState(record, world.records, world.nowMs),
      approvals: approval.ok ? approval.value.approvers.length : 0,
      requiredApprovals: approval.ok
        ? approval.value.required
        : policyImpact(record.document, world).requiredApprovals,
    };
  }

  async #world(): Promise<World> {
    const { registry, clock } = this.#options;
    const entries = await registry.entries();
    const records = entries.flatMap(entry => (entry.kind === 'policy' ? [entry.policy] : []));
    return { state: registry.state(), records, nowMs: clock.nowMs() };
  }
}

function judged(document: PolicyDocument, world: World): PolicyPlan {
  const wrong = documentProblem(document, world.state);
  if (wrong !== undefined) throw new ProblemError(wrong);
  const newest = world.records
    .filter(({ document: other }) => other.home === document.home && other.name === document.name)
    .reduce((highest, { document: other }) => Math.max(highest, other.version), 0);
  if (document.version < newest) throw superseded(`version ${newest} exists`);
  const plan = policyImpact(document, world);
  const emptied = emptiedBy(plan);
  if (emptied.length > 0)
    throw new ProblemError(
      problem('EMPTY_PLACEMENT', `no region could hold rows of ${emptied.join(', ')}`, {
        extra: { groups: emptied },
      }),
    );
  const issues = blindedBy(document, world).map(({ group, region }) => ({
    path: 'select',
    message: `${region} holds rows of ${group} but could not be told of it: policies that name it also name a group that ${region} may not know; write one policy for each`,
  }));
  if (issues.length > 0)
    throw new ProblemError(
      problem('INVALID_POLICY', 'the policy would hide a group from a region that holds it', { issues }),
    );
  return plan;
}

function superseded(detail: string): ProblemError {
  return new ProblemError(problem('POLICY_SUPERSEDED', detail));
}

function find(
  world: World,
  of: { readonly home: string; readonly name: string; readonly version: number },
): PolicyRecord | undefined {
  return world.records.find(
    ({ document }) =>
      document.home === of.home && document.name === of.name && document.version === of.version,
  );
}

/** The wire's types are not read-only; the copy is. */
function mutable(document: PolicyDocument): PolicyListItem['record']['document'] {
  return structuredClone(document) as PolicyListItem['record']['document'];
}
