import type { DefinitionChange } from '@featuremesh/contracts/admin-definitions';
import type { ChangeEffect } from '@featuremesh/domain/group-changes';
import type { HomeOutcome } from './apply-definitions.ts';

const SIGNS: Readonly<Record<DefinitionChange['kind'], string>> = {
  create: '+',
  revision: '~',
  version: '!',
  unchanged: ' ',
  refused: 'x',
};

const EFFECTS: Readonly<Record<ChangeEffect, string>> = {
  compatible: 'compatible',
  data: 'DATA AFFECTED',
  version: 'NEW VERSION',
};

/** A plan or an apply for a person: each object with its difference, every line with what it means for rows, then the regions. */
export function drawOutcomes(outcomes: readonly HomeOutcome[], dryRun: boolean): string {
  const changes = outcomes.flatMap(({ answer }) => answer.changes);
  const unchanged = changes.filter(({ kind }) => kind === 'unchanged').length;
  const real = changes.filter(({ kind }) => kind !== 'unchanged');
  const lines = real.flatMap(changeLines);
  if (unchanged > 0) lines.push(`  ${unchanged} unchanged`);
  const regions = outcomes.flatMap(({ answer }) =>
    answer.perRegion.map(({ region, outcome, detail }) => {
      const more = detail === undefined ? '' : ` (${detail})`;
      return `${region}: ${outcome}${more}, registry revision ${answer.revision}`;
    }),
  );
  return [...lines, '', ...regions, ...next(outcomes, dryRun, real.length)].join('\n');
}

/** `home/name@v2 r1`, as far as the kind of object has versions and revisions. */
function objectText({ object }: DefinitionChange): string {
  const revision = object.revision === null ? '' : ` r${object.revision}`;
  const version = object.version === null ? '' : `@v${object.version}${revision}`;
  return `${object.home}/${object.name}${version}`;
}

const KINDS: Readonly<Record<DefinitionChange['kind'], string>> = {
  create: 'new',
  revision: 'new revision, keeps its rows',
  version: 'new version',
  unchanged: 'unchanged',
  refused: 'refused',
};

function changeLines(change: DefinitionChange): readonly string[] {
  const { kind, object } = change;
  const what = kind === 'revision' && object.type === 'entity' ? 'changed' : KINDS[kind];
  return [
    `${SIGNS[kind]} ${object.type} ${objectText(change)}: ${what}`,
    ...change.changes.map(({ effect, what: line, follows }) => `    ${EFFECTS[effect]}: ${line}; ${follows}`),
    ...change.consequences.map(line => `    ${line}`),
  ];
}

function next(outcomes: readonly HomeOutcome[], dryRun: boolean, changes: number): readonly string[] {
  if (!dryRun) return [];
  if (changes === 0) return ['Nothing to apply.'];
  const expected = outcomes.map(({ home, answer }) => `${home}=${answer.revision}`).join(',');
  return [`Next: fmesh apply --expected-revision ${expected}`];
}
