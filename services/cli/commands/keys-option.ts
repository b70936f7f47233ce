import { ProblemError, problem } from '@featuremesh/domain/problem';

/** Collects repeated `--key name=value` options into an object; a value with commas becomes an array, `\,` is a comma. */
export function parseKeys(texts: readonly string[]): Record<string, string | string[]> {
  const keys: Record<string, string | string[]> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals < 1)
      throw new ProblemError(
        problem('INVALID_REQUEST', '--key is written name=value, or name=value1,value2'),
      );
    const parts = splitOnCommas(text.slice(equals + 1));
    const [only] = parts;
    keys[text.slice(0, equals)] = parts.length === 1 && only !== undefined ? only : parts;
  }
  return keys;
}

/** Splits a comma-separated list; `\,` stands for a comma inside a value. */
export function splitOnCommas(text: string): string[] {
  return text.split(/(?<!\\),/).map(part => part.replaceAll('\\,', ','));
}

/** For commander: gathers an option that may be given several times. */
export function gather(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
