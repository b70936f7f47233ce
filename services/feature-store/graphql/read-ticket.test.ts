import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPlainTicket, matrixReferenceSchema } from './read-ticket.ts';

const mostly = (right: fc.Arbitrary<unknown>, wrong: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: wrong });

/** Tickets of the usual members, right and wrong in every one of them. */
const tickets = fc.record(
  {
    g: mostly(fc.constant('a'.repeat(16)), fc.constantFrom('a'.repeat(15), 'A'.repeat(16), 7)),
    v: mostly(
      fc.nat().map(n => n + 1),
      fc.constantFrom(0, 1.5, -1, '1'),
    ),
    f: mostly(fc.array(fc.string(), { maxLength: 3 }), fc.array(fc.anything(), { maxLength: 2 })),
    keys: mostly(fc.dictionary(fc.string(), fc.array(fc.jsonValue(), { maxLength: 3 })), fc.anything()),
    maxAgeMs: fc.nat(),
  },
  { requiredKeys: ['g', 'v', 'f', 'keys'] },
);

test('what is taken for a plain ticket is one by the schema, and as the schema has it', () => {
  let plain = 0;
  fc.assert(
    fc.property(tickets, ticket => {
      const read: unknown = JSON.parse(JSON.stringify(ticket));
      if (!isPlainTicket(read)) return;
      plain += 1;
      const parsed = matrixReferenceSchema.safeParse({ region: 'eu-west-1', read });
      expect(parsed.data?.read).toEqual(read);
    }),
    { numRuns: 1_000 },
  );
  expect(plain).toBeGreaterThan(20);
});

test.each([
  [501, 1],
  [1, 1_001],
])('limits hold on the short way too: %d features, %d rows', (features, rows) => {
  const ticket = (f: number, n: number) => ({
    g: 'a'.repeat(16),
    v: 1,
    f: Array.from({ length: f }, (_, i) => `f${i}`),
    keys: { key: Array.from({ length: n }, (_, i) => i) },
  });
  expect(isPlainTicket(ticket(1, 1))).toBe(true);
  expect(isPlainTicket(ticket(features, rows))).toBe(false);
});
