import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { ProblemError, problem } from '@featuremesh/domain/problem';

/** An int64 that no JSON number may stand for: what the packer refuses as INT64_PRECISION. */
const IMPRECISE = 2 ** 60;

/** A number whose integer part has 16 digits or more, or that has an exponent: only those can become another integer when parsed. */
const MAY_BE_IMPRECISE = /(?<![\d.])\d{16}|\d[eE]/;

/** Names of a group's int64 join keys and of its int64 features, lists included. */
export interface Int64Names {
  readonly keys: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
}

/** The names to watch; undefined where the group has no int64, so that parsing needs no care. */
export function int64Names(group: CatalogueGroup): Int64Names | undefined {
  const keys = group.joinKeys.filter(key => key.type === 'int64').map(key => key.name);
  const features = group.definition.features
    .filter(({ type }) =>
      type.kind === 'scalar' ? type.scalar === 'int64' : type.kind === 'list' && type.element === 'int64',
    )
    .map(feature => feature.name);
  if (keys.length + features.length === 0) return undefined;
  return { keys: new Set(keys), features: new Set(features) };
}

/**
 * Parses JSON that holds rows. Where a number for an int64 would silently become another integer (judged on its source text) an
 * integer that the packer refuses takes its place. Throws SyntaxError for malformed text.
 */
export function parseRowsJson(text: string, names: Int64Names | undefined): unknown {
  if (names === undefined || !MAY_BE_IMPRECISE.test(text)) return JSON.parse(text);
  // TypeScript's library does not know the third argument yet (ES2026, Node 21 and later).
  const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
  return parse(text, new PrecisionReviver(names).reviver);
}

/** The `rows` of a JSON body. Throws a ProblemError MALFORMED_JSON or INVALID_REQUEST. */
export function rowsOfBody(text: string, names: Int64Names | undefined): readonly unknown[] {
  let body: unknown;
  try {
    body = parseRowsJson(text, names);
  } catch {
    throw new ProblemError(problem('MALFORMED_JSON', 'the body is not valid JSON'));
  }
  if (typeof body === 'object' && body !== null && 'rows' in body && Object.keys(body).length === 1) {
    if (Array.isArray(body.rows)) return body.rows;
  }
  throw new ProblemError(problem('INVALID_REQUEST', 'the body must be {"rows": […]} and nothing else'));
}

type Reviver = (this: unknown, name: string, value: unknown, context: { source?: string }) => unknown;
type Holder = Record<string, unknown>;

/** A reviver sees members before the object that holds them, so suspects are noted and judged where their place is known. */
class PrecisionReviver {
  readonly #names: Int64Names;
  readonly #suspects = new Map<unknown, string[]>();

  constructor(names: Int64Names) {
    this.#names = names;
  }

  readonly reviver: Reviver = (() => {
    const see = (holder: unknown, name: string, value: unknown, source: string | undefined): unknown =>
      this.#see(holder, name, value, source);
    return function (this: unknown, name, value, context) {
      return see(this, name, value, context.source);
    };
  })();

  #see(holder: unknown, name: string, value: unknown, source: string | undefined): unknown {
    if (typeof value === 'number') {
      if (source !== undefined && isImprecise(value, source)) this.#note(holder, name);
      return value;
    }
    const suspects = this.#suspects.get(value);
    if (suspects === undefined) return value;
    if (Array.isArray(value)) this.#note(holder, name);
    else if (name === 'key') this.#refuse(value as Holder, suspects, this.#names.keys);
    else if (name === 'features') this.#refuse(value as Holder, suspects, this.#names.features);
    return value;
  }

  #note(holder: unknown, name: string): void {
    const noted = this.#suspects.get(holder);
    if (noted === undefined) this.#suspects.set(holder, [name]);
    else noted.push(name);
  }

  #refuse(holder: Holder, suspects: readonly string[], int64: ReadonlySet<string>): void {
    for (const name of suspects) {
      if (int64.has(name)) holder[name] = Array.isArray(holder[name]) ? [IMPRECISE] : IMPRECISE;
    }
  }
}

/** True where the parsed integer is not the number that the text wrote. Integers beyond 2^53 are refused by the packer itself. */
function isImprecise(value: number, source: string): boolean {
  if (!Number.isInteger(value)) return false;
  const plain = /^-?\d+(?:\.0*)?$/.test(source);
  return !Number.isSafeInteger(value) || (!plain && /\d{15}/.test(source.replace('.', '')));
}
