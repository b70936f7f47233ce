/** Lines of a message that the summary repeats; the whole stands where the stage ran. */
const MESSAGE_LINES = 12;
const LINE_LENGTH = 300;

/** What is read of a report that Vitest's JSON reporter wrote. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly FileResult[];
}

interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages?: readonly string[] | null;
  }[];
}

/**
 * One text per failure of a report, for the end of a long run, whose beginning is often no longer there to be read:
 * the file below `root`, the test, and how its message begins. A file that failed without a test that did says why itself.
 */
export function failuresOf(report: VitestReport, root: string): readonly string[] {
  return report.testResults.flatMap(file => {
    const path = file.name.startsWith(root) ? file.name.slice(root.length) : file.name;
    const tests = file.assertionResults.filter(({ status }) => status === 'failed');
    if (tests.length === 0) return file.status === 'failed' ? [block(path, file.message)] : [];
    return tests.map(test => block(`${path} > ${test.fullName}`, (test.failureMessages ?? []).join('\n')));
  });
}

function block(title: string, message: string): string {
  const lines = message.split('\n').filter(line => line.trim() !== '');
  return [title, ...lines.slice(0, MESSAGE_LINES).map(line => `    ${line.slice(0, LINE_LENGTH)}`)].join(
    '\n',
  );
}
