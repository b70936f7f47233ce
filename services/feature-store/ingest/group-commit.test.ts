import { MAX_CHUNK_ROWS } from '@featuremesh/domain/limits';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredRow } from '../ports/online-store.ts';
import { GroupCommit } from './group-commit.ts';
import { MAX_SHARED_APPENDS } from './ingest-limits.ts';

const rowsOf = (name: string, count: number): readonly StoredRow[] =>
  Array.from({ length: count }, (_, at) => ({
    key: testKey(`${name}-${at}`),
    row: testRow({ eventTimeUs: BigInt(at) }),
  }));

interface Message {
  readonly target: string;
  readonly rows: readonly StoredRow[];
  readonly end: (outcome: number) => void;
  readonly fail: (error: Error) => void;
}

function recording(): { readonly messages: Message[]; readonly commit: GroupCommit<string, number> } {
  const messages: Message[] = [];
  const commit = new GroupCommit<string, number>((target, rows) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    messages.push({ target, rows, end: resolve, fail: reject });
    return promise;
  });
  return { messages, commit };
}

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('rows leave at once while few messages are under way, later ones together in the order of their coming', async () => {
  const { messages, commit } = recording();
  const lone: Promise<number>[] = [];
  for (let at = 0; at < MAX_SHARED_APPENDS; at += 1) {
    lone.push(commit.commit('t', `lone ${at}`, rowsOf(`lone ${at}`, 1)));
    await settled();
  }
  expect(messages).toHaveLength(MAX_SHARED_APPENDS);
  const together = ['a', 'b', 'c'].map(name => commit.commit('t', name, rowsOf(name, 2)));
  await settled();
  expect(messages).toHaveLength(MAX_SHARED_APPENDS);
  messages[0]?.end(1);
  await settled();
  expect(messages).toHaveLength(MAX_SHARED_APPENDS + 1);
  const shared = messages.at(-1);
  expect(shared?.target).toBe('c');
  expect(shared?.rows).toEqual([...rowsOf('a', 2), ...rowsOf('b', 2), ...rowsOf('c', 2)]);
  shared?.end(7);
  for (const message of messages) message.end(1);
  expect(await Promise.all(together)).toEqual([7, 7, 7]);
  await Promise.all(lone);
});

test('what waits leaves as soon as a message is in the log, before its outcome', async () => {
  const messages: { readonly logged: () => void }[] = [];
  const commit = new GroupCommit<string, number>((_, __, logged) => {
    messages.push({ logged });
    return new Promise(() => undefined);
  });
  for (let at = 0; at < MAX_SHARED_APPENDS + 2; at += 1) {
    void commit.commit('t', '', rowsOf(`r${at}`, 1));
    await settled();
  }
  expect(messages).toHaveLength(MAX_SHARED_APPENDS);
  messages[0]?.logged();
  await settled();
  expect(messages).toHaveLength(MAX_SHARED_APPENDS + 1);
});

test('a message that fails fails every entry in it and none besides', async () => {
  const { messages, commit } = recording();
  const first = [commit.commit('t', 'a', rowsOf('a', 1)), commit.commit('t', 'b', rowsOf('b', 1))];
  await settled();
  const other = commit.commit('other', 'x', rowsOf('x', 1));
  await settled();
  messages[0]?.fail(new Error('gone'));
  for (const message of messages.slice(1)) message.end(3);
  expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(other).resolves.toBe(3);
});

test('entries of any sizes are all written once, unparted, in order, in messages within the limit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: MAX_CHUNK_ROWS }), { maxLength: 30 }),
      async sizes => {
        const written: (readonly StoredRow[])[] = [];
        const commit = new GroupCommit<string, number>(async (_, rows) => {
          await settled();
          return written.push(rows);
        });
        const entries = sizes.map((size, at) => rowsOf(`e${at}`, size));
        const outcomes = await Promise.all(entries.map(rows => commit.commit('t', '', rows)));
        expect(written.every(rows => rows.length <= MAX_CHUNK_ROWS)).toBe(true);
        entries.forEach((rows, at) => {
          const message = written[(outcomes[at] ?? 0) - 1] ?? [];
          const from = message.indexOf(rows[0] as StoredRow);
          expect(message.slice(from, from + rows.length)).toEqual(rows);
        });
        expect(written.flat()).toHaveLength(entries.flat().length);
      },
    ),
    { numRuns: 30 },
  );
});
