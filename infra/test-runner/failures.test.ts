import { expect, test } from 'vitest';
import { failuresOf } from './failures.ts';

const passed = { fullName: 'adds', status: 'passed', failureMessages: [] };

test('each failed test is named with its file and how its message begins', () => {
  const long = [
    'AssertionError: expected 1 to be 2',
    '',
    ...Array.from({ length: 40 }, (_, n) => `    at ${n}`),
  ];
  const report = {
    numPassedTests: 1,
    numFailedTests: 1,
    testResults: [
      {
        name: '/some where/mesh/sync/a.test.ts',
        status: 'failed',
        message: '',
        assertionResults: [
          passed,
          { fullName: 'sums > adds', status: 'failed', failureMessages: [long.join('\n')] },
        ],
      },
      { name: '/some where/mesh/sync/b.test.ts', status: 'passed', message: '', assertionResults: [passed] },
    ],
  };
  const [text, ...others] = failuresOf(report, '/some where/mesh/');
  expect(others).toEqual([]);
  const lines = text?.split('\n') ?? [];
  expect(lines.slice(0, 3)).toEqual([
    'sync/a.test.ts > sums > adds',
    '    AssertionError: expected 1 to be 2',
    '        at 0',
  ]);
  expect(lines).toHaveLength(13);
});

test('a file that does not load says so itself', () => {
  const testResults = [
    {
      name: '/mesh/c.test.ts',
      status: 'failed',
      message: 'Cannot find package',
      assertionResults: [],
    },
  ];
  expect(failuresOf({ numPassedTests: 0, numFailedTests: 0, testResults }, '/mesh/')).toEqual([
    'c.test.ts\n    Cannot find package',
  ]);
});
