import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseOnlineReadRequest } from './http-read.ts';

const name = fc.oneof(
  fc.constantFrom('', 'group:feature', 'x'.repeat(256), 'x'.repeat(257)),
  fc.string(),
  fc.anything(),
);
/** Requests of the usual members, right and wrong in every one of them. */
const requests = fc.record(
  {
    service: name,
    features: fc.oneof(fc.array(name, { maxLength: 4 }), fc.anything()),
    keys: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.anything()),
    other: fc.anything(),
  },
  { requiredKeys: [] },
);

test('a request of the usual shape is taken exactly where the schema takes it, and as the schema has it', () => {
  let taken = 0;
  fc.assert(
    fc.property(requests, request => {
      const json: unknown = JSON.parse(JSON.stringify(request));
      // A further member leads past the short way to the schema.
      const bySchema = parseOnlineReadRequest({ ...(json as object), includeStale: true });
      const parsed = parseOnlineReadRequest(json);
      expect(parsed.ok).toBe(bySchema.ok);
      if (!parsed.ok || !bySchema.ok) return;
      taken += 1;
      expect({ ...parsed.value, includeStale: true }).toEqual(bySchema.value);
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(10);
});
