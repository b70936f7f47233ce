import { expect, test } from 'vitest';
import { longFunctions } from './function-lengths.ts';
import { sourceFiles } from './source-files.ts';

const MAX_FILE_LINES = 400;
const MAX_TEST_FILE_LINES = 600;
const MAX_FUNCTION_LINES = 70;

test('no source file is longer than 400 lines, no test longer than 600', () => {
  const long = sourceFiles()
    .map(file => ({
      path: file.path,
      lines: file.text.split('\n').length - 1,
      max: file.isTest ? MAX_TEST_FILE_LINES : MAX_FILE_LINES,
    }))
    .filter(file => file.lines > file.max);
  expect(long).toEqual([]);
});

test('no function is longer than 70 lines', () => {
  const long = sourceFiles()
    .filter(file => !file.isTest)
    .flatMap(file =>
      longFunctions(file.text, MAX_FUNCTION_LINES).map(
        found => `${file.path}:${found.line} (${found.lines} lines)`,
      ),
    );
  expect(long).toEqual([]);
});

test('the measure of functions finds a long one', () => {
  const body = Array.from({ length: 80 }, (_, index) => `  call(${index});`).join('\n');
  expect(longFunctions(`function long() {\n${body}\n}\n`, MAX_FUNCTION_LINES)).toEqual([
    { line: 1, lines: 82 },
  ]);
  expect(longFunctions(`class A {\n  method(): void {\n${body}\n  }\n}\n`, MAX_FUNCTION_LINES)).toEqual([
    { line: 2, lines: 82 },
  ]);
});
