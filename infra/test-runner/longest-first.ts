import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Ends of paths of files that take more than ten seconds each, mostly waiting; whichever comes last would keep one worker idle. */
const LONG = [
  'sync/adapters/jetstream/link.real.ts',
  'feature-store/balanced.real.ts',
  'infra/nats/peer-attacks.real.ts',
  'load-tests/flights/main.real.ts',
  'feature-store/ingest/crash.real.ts',
  'feature-store/lost-registry.real.ts',
  'feature-store/lost-store.real.ts',
];

/** Orders files that run beside each other: the longest first, also in a fresh clone, where Vitest knows no durations. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex(end => moduleId.endsWith(end));
      return at === -1 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
