import type { FeatureDefinition } from './feature-group.ts';
import { ROW_HEADER_BYTES, rowIsDeleted, rowRevision } from './packed-row.ts';
import { type FeatureSlot, payloadLayout } from './payload-layout.ts';
import { ProblemError, problem } from './problem.ts';
import { ValueReader, type VectorForm, word } from './value-reader.ts';

/** How one revision's payload is read: for each wanted feature its slot and its ordinal, or undefined where the revision lacks it. */
interface RevisionPlan {
  readonly endsAt: number;
  readonly variableAt: number;
  readonly slots: readonly (FeatureSlot | undefined)[];
  readonly ordinals: readonly number[];
}

/**
 * Decodes packed rows of one group version into columns. Rows carry the revision they were packed with; a feature that an older
 * revision lacks is null. Not to be shared between threads.
 */
export class RowDecoder {
  readonly #plans: readonly RevisionPlan[];
  readonly #width: number;
  readonly #reader: ValueReader;

  /** `revisions[r − 1]` is the schema of revision r; `wanted` names the columns, in order. */
  constructor(
    revisions: readonly (readonly FeatureDefinition[])[],
    wanted: readonly string[],
    options: { readonly vectorsAs?: VectorForm } = {},
  ) {
    this.#plans = revisions.map(features => planRevision(features, wanted));
    this.#width = wanted.length;
    this.#reader = new ValueReader(options.vectorsAs ?? 'array');
  }

  /**
   * Writes the wanted values of `row` into `columns[i][at]`, JSON-ready, null where the value is null or the row a deletion.
   * Throws a ProblemError: UNKNOWN_REVISION for a revision that is not known here, CORRUPT_DATA for impossible lengths.
   */
  decodeInto(row: Uint8Array, columns: unknown[][], at: number): void {
    const plan = this.#plans[rowRevision(row) - 1];
    if (plan === undefined) {
      const detail = `row of revision ${rowRevision(row)}, known are 1 to ${this.#plans.length}`;
      throw new ProblemError(problem('UNKNOWN_REVISION', detail));
    }
    const deleted = rowIsDeleted(row);
    if (!deleted && row.length < ROW_HEADER_BYTES + plan.variableAt) {
      throw new ProblemError(problem('CORRUPT_DATA', 'a packed row is shorter than its schema'));
    }
    for (let i = 0; i < this.#width; i++) {
      const column = columns[i];
      if (column !== undefined) column[at] = deleted ? null : this.#value(row, plan, i);
    }
  }

  #value(row: Uint8Array, plan: RevisionPlan, i: number): unknown {
    const slot = plan.slots[i];
    const ordinal = plan.ordinals[i] ?? 0;
    if (slot === undefined) return null;
    if (((row[ROW_HEADER_BYTES + (ordinal >> 3)] ?? 0) & (1 << (ordinal & 7))) !== 0) return null;
    if (slot.variable < 0)
      return this.#reader.fixed(slot.kind, row, ROW_HEADER_BYTES + slot.fixedAt, slot.dimensions);
    const ends = ROW_HEADER_BYTES + plan.endsAt + 4 * slot.variable;
    const base = ROW_HEADER_BYTES + plan.variableAt;
    const from = slot.variable === 0 ? 0 : word(row, ends - 4);
    return this.#reader.variable(
      slot.kind,
      slot.element,
      row,
      base + (from >>> 0),
      base + (word(row, ends) >>> 0),
    );
  }
}

function planRevision(features: readonly FeatureDefinition[], wanted: readonly string[]): RevisionPlan {
  const layout = payloadLayout(features);
  const ordinals = wanted.map(name => layout.slots.findIndex(slot => slot.name === name));
  return {
    endsAt: layout.endsAt,
    variableAt: layout.variableAt,
    slots: ordinals.map(ordinal => layout.slots[ordinal]),
    ordinals,
  };
}
