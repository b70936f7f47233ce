import { expect, test } from 'vitest';
import { sourceFiles } from './source-files.ts';

/** Used from outside: conformance suites are for adapters that do not live here. */
const DECLARATION =
  /^export (?:async )?(function\*?|class|interface|type|const|abstract class) ([A-Za-z_$][\w$]*)/gm;
const FOR_OTHERS = /^services\/testkit\/conformance\//;

test('every export is used by another file', () => {
  const files = sourceFiles().filter(file => file.path.endsWith('.ts'));
  const words = new Map<string, Set<string>>();
  for (const file of files) {
    for (const word of new Set(file.text.match(/[A-Za-z_$][\w$]*/g) ?? [])) {
      const paths = words.get(word) ?? new Set<string>();
      paths.add(file.path);
      words.set(word, paths);
    }
  }
  const unused = files
    .filter(file => !file.isTest && !FOR_OTHERS.test(file.path))
    .flatMap(file =>
      [...file.text.matchAll(DECLARATION)]
        .map(match => ({ name: match[2] ?? '', isType: match[1] === 'interface' || match[1] === 'type' }))
        .filter(
          ({ name, isType }) =>
            (words.get(name)?.size ?? 0) < 2 && !(isType && occurrences(file.text, name) > 1),
        )
        .map(({ name }) => `${file.path}: ${name}`),
    );
  expect(unused).toEqual([]);
});

/** A type that another export of the same file mentions is part of that export's contract. */
function occurrences(text: string, name: string): number {
  return text.split(new RegExp(`\\b${name}\\b`)).length - 1;
}
