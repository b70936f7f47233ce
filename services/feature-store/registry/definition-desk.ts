import type {
  DefinitionChange,
  DefinitionsAnswer,
  DefinitionsRequest,
} from '@featuremesh/contracts/admin-definitions';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import { type DefinitionPlan, type PlannedDefinition, planDefinitions } from './definition-plan.ts';
import type { Subject } from './registry-authority.ts';
import type { RegistryWriter } from './registry-writer.ts';
import { assertRoomForTables } from './table-room.ts';

/** Characters of a group or service id: 80 random bits, so that regions never draw the same (A3). */
const ID_CHARACTERS = 16;

/** What the desk works with. */
export interface DefinitionDeskOptions {
  readonly writer: RegistryWriter;
  readonly clock: Clock;
  readonly random: Random;
  /** Tables that this region's store may hold. */
  readonly maxTables: number;
}

/** Plans and applies definition sets at their home region; a set is applied whole or not at all (A9). */
export class DefinitionDesk {
  readonly #options: DefinitionDeskOptions;

  constructor(options: DefinitionDeskOptions) {
    this.#options = options;
  }

  /** What applying would do; throws the ProblemErrors that applying would. Changes nothing. */
  async plan({ definitions, expectedRevision }: DefinitionsRequest): Promise<DefinitionsAnswer> {
    const { plan, state } = await this.#options.writer.plan(
      before => ({ ...this.#plan(definitions, before), what: 'plan' }),
      { subjects: subjectsOf(definitions), ...(expectedRevision === undefined ? {} : { expectedRevision }) },
    );
    return {
      changes: plan.changes.map(change => changeOf(change, plan.after)),
      revision: plan.revision,
      perRegion: [{ region: state.region, outcome: 'planned' }],
    };
  }

  /** Applies a set, makes its tables, and waits until the broker accepts writes of it, within a bound that the answer names. */
  async apply({ definitions, ...terms }: DefinitionsRequest, actor: string): Promise<DefinitionsAnswer> {
    const { plan, state, enforced } = await this.#options.writer.write(
      before => {
        const made = this.#plan(definitions, before);
        return { ...made, what: `apply definitions: ${summaryOf(made)}` };
      },
      {
        actor,
        subjects: subjectsOf(definitions),
        ...(terms.expectedRevision === undefined ? {} : { expectedRevision: terms.expectedRevision }),
      },
    );
    const detail = 'the broker does not enforce it yet; writes may be refused meanwhile';
    return {
      changes: plan.changes.map(change => changeOf(change, state)),
      revision: state.revision,
      perRegion: [{ region: state.region, outcome: 'applied', ...(enforced ? {} : { detail }) }],
    };
  }

  #plan(definitions: DefinitionsRequest['definitions'], state: MeshState): DefinitionPlan {
    const { clock, random, maxTables } = this.#options;
    const nowMs = clock.nowMs();
    const plan = planDefinitions(definitions, state, {
      nowMs,
      newId: () => random.base32(ID_CHARACTERS),
    });
    if (!plan.ok) throw new ProblemError(plan.problem);
    assertRoomForTables(state, plan.value.after, { maxTables, nowMs });
    return plan.value;
  }
}

function subjectsOf({ groups, services }: DefinitionsRequest['definitions']): readonly Subject[] {
  return [...groups, ...services].map(({ homeRegion: home, name }) => ({ home, name }));
}

const KINDS = {
  create: 'create',
  version: 'version',
  revision: 'revision',
  update: 'revision',
  retire: 'revision',
  unchanged: 'unchanged',
} as const;

/** Characters of what one audit record says: the names always, details as far as they fit. */
const MAX_SUMMARY_CHARS = 2_000;

function summaryOf({ changes }: DefinitionPlan): string {
  const real = changes.filter(({ action }) => action !== 'unchanged');
  const names = real.map(({ action, kind, name }) => `${action} ${kind} ${name}`).join(', ') || 'nothing';
  const details = real.flatMap(({ name, changes: lines }) => lines.map(({ what }) => `${name}: ${what}`));
  const text = [names, ...details].join('; ');
  return text.length <= MAX_SUMMARY_CHARS ? text : `${text.slice(0, MAX_SUMMARY_CHARS)}…`;
}

function changeOf(change: PlannedDefinition, after: MeshState): DefinitionChange {
  return {
    kind: KINDS[change.action],
    object: {
      type: change.kind,
      home: after.region,
      name: change.name,
      id: idOf(change, after),
      version: change.version ?? null,
      revision: change.revision ?? null,
    },
    changes: change.changes.map(line => ({ ...line })),
    consequences: consequencesOf(change, after),
  };
}

function idOf(change: PlannedDefinition, after: MeshState): string | null {
  if (change.kind === 'group')
    return new Catalogue(after).versions(after.region, change.name).at(-1)?.id ?? null;
  if (change.kind === 'entity') return null;
  const service = after.services.find(
    ({ definition }) => definition.name === change.name && definition.homeRegion === after.region,
  );
  return service?.id ?? null;
}

function consequencesOf(change: PlannedDefinition, after: MeshState): string[] {
  const { placement, refusedRegions, action, version, kind, name } = change;
  const consequences: string[] = [];
  if (placement !== undefined) consequences.push(`rows may be held in ${placement.join(', ')}`);
  if (refusedRegions !== undefined && refusedRegions.length > 0)
    consequences.push(`policy does not allow ${refusedRegions.join(', ')}, which the definition asks for`);
  if (action === 'version' && kind === 'group') {
    const production = new Catalogue(after).group(`${after.region}/${name}`);
    const stays = production.ok ? `stays at v${production.value.version}` : 'moves only by promote';
    consequences.push(
      `the new version starts empty; \`production\` ${stays} until \`fmesh promote ${after.region}/${name}@v${version ?? ''}\``,
    );
  }
  if (action === 'retire') consequences.push('no more rows are accepted');
  return consequences;
}
