import { expect, test } from 'vitest';
import { type SourceFile, sourceFiles } from './source-files.ts';

const TIME_AND_CHANCE =
  /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(|\bsetImmediate\(|\bperformance\.now\(/;
const OUTSIDE = /^(services\/runtime|services\/testkit|infra|load-tests)\//;

function matches(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(file =>
    file.text
      .split('\n')
      .map((line, index) => ({ line, at: `${file.path}:${index + 1}` }))
      .filter(({ line }) => pattern.test(line) && !/^\s*(\*|\/\/|\/\*)/.test(line))
      .map(({ at, line }) => `${at} ${line.trim().slice(0, 100)}`),
  );
}

const files = sourceFiles();
const code = files.filter(file => !file.isTest && file.path.endsWith('.ts'));

test('the wall clock, chance and timers are reached only through runtime', () => {
  expect(
    matches(
      code.filter(file => !OUTSIDE.test(file.path)),
      TIME_AND_CHANCE,
    ),
  ).toEqual([]);
});

test('no `any`, no enum, no decision by an error message', () => {
  expect(matches(code, /:\s*any\b|<any>|\bas any\b|^\s*(export\s+)?(const\s+)?enum\s/)).toEqual([]);
  expect(matches(code, /\.message\s*(===\s*['"`]|\.includes\(|\.startsWith\(|\.match\()/)).toEqual([]);
});

test('nothing is skipped, narrowed or left to do', () => {
  const others = files.filter(file => file.path !== 'infra/repo-rules/words.test.ts');
  expect(
    matches(others, /\b(?:test|it|describe)\.(?:skip|only|todo)\b|\bTODO\b|\bFIXME\b|\/\/.*\bXXX\b/),
  ).toEqual([]);
});

test('every test file asserts', () => {
  const silent = files
    .filter(file => file.isTest && !/expect\(|expect\.|assert|Conformance\(/.test(file.text))
    .map(file => file.path);
  expect(silent).toEqual([]);
});

test('no barrel files', () => {
  expect(files.filter(file => /\/index\.(ts|js)$/.test(file.path)).map(file => file.path)).toEqual([]);
});

test('every exported declaration carries a doc comment', () => {
  const bare = code.flatMap(file => {
    const lines = file.text.split('\n');
    return lines.flatMap((line, index) => {
      if (
        !/^export (?:default )?(?:async )?(?:function|class|interface|type|const|abstract class)\b/.test(line)
      )
        return [];
      const before = lines
        .slice(0, index)
        .reverse()
        .find(earlier => !/^@/.test(earlier.trim()));
      return before !== undefined && /\*\/\s*$/.test(before)
        ? []
        : [`${file.path}:${index + 1} ${line.slice(0, 80)}`];
    });
  });
  expect(bare).toEqual([]);
});
