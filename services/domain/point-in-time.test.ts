import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HistoryRow, type PointInTimeOptions, pointInTimeJoin } from './point-in-time.ts';
import { parseTimestamp } from './timestamp.ts';

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;
const T0 = at('2024-06-01T00:00:00Z');

function at(text: string): bigint {
  const us = parseTimestamp(text);
  if (us === undefined) throw new Error(text);
  return us;
}

function row(
  key: string,
  value: number | null,
  eventTimeUs: bigint,
  createdTimeUs: bigint | null,
): HistoryRow<number> {
  return { key, value, eventTimeUs, createdTimeUs };
}

function join(
  history: readonly HistoryRow<number>[],
  label: [string, bigint],
  options: PointInTimeOptions = {},
) {
  return pointInTimeJoin([{ key: label[0], timeUs: label[1] }], history, options)[0];
}

// The names of the cases are those of the list of acceptance cases that other feature stores' suites were read for.
describe('duplicates and backfills (A)', () => {
  it('A1: of equal event times the later created value is seen', () => {
    const history = [row('1001', 10, T0, T0), row('1001', 20, T0, T0 + DAY)];
    expect(join(history, ['1001', T0 + 2n * DAY])).toBe(20);
    expect(join(history.toReversed(), ['1001', T0 + 2n * DAY])).toBe(20);
  });

  it('A2: a later event time beats a later created time', () => {
    const history = [row('1002', 30, T0, T0 + DAY), row('1002', 40, T0 + DAY, T0)];
    expect(join(history, ['1002', T0 + 2n * DAY])).toBe(40);
  });
});

describe('cut-off by created time (B, C)', () => {
  it('B1: corrections made after the label are seen by default and not with the cut-off', () => {
    const history = [
      row('1001', 10, T0, T0),
      row('1002', 30, T0, T0),
      row('1001', 20, T0, T0 + 2n * DAY),
      row('1002', 40, T0, T0 + 2n * DAY),
    ];
    const labels = ['1001', '1002'].map(key => ({ key, timeUs: T0 + DAY }));
    expect(pointInTimeJoin(labels, history)).toEqual([20, 40]);
    expect(pointInTimeJoin(labels, history, { createdCutoff: true })).toEqual([10, 30]);
  });

  const event = at('2025-01-01T10:00:00Z');
  const label: [string, bigint] = ['1', at('2025-01-02T00:00:00Z')];
  const early = row('1', 0.4, event, at('2025-01-01T12:00:00Z'));
  const late = row('1', 0.6, event, at('2025-01-03T00:00:00Z'));

  it('C1: default sees the late correction, the cut-off does not', () => {
    expect(join([early, late], label)).toBe(0.6);
    expect(join([early, late], label, { createdCutoff: true })).toBe(0.4);
  });

  it('C2: the cut-off leaves out rows whose created time is unknown', () => {
    const unknown = row('1', 0.9, event + SECOND, null);
    expect(join([early, late, unknown], label)).toBe(0.9);
    expect(join([early, late, unknown], label, { createdCutoff: true })).toBe(0.4);
  });

  it('C3: a label whose rows were all created later is kept, with null', () => {
    expect(join([late], label, { createdCutoff: true })).toBeNull();
  });

  it('C4: a key without valid rows does not borrow another one’s', () => {
    const labels = ['1', '2'].map(key => ({ key, timeUs: label[1] }));
    expect(pointInTimeJoin(labels, [early, { ...late, key: '2' }], { createdCutoff: true })).toEqual([
      0.4,
      null,
    ]);
  });

  it('C5: without created times the default sees every row', () => {
    expect(join([row('1', 0.4, event, null), row('1', 0.6, event + SECOND, null)], label)).toBe(0.6);
  });
});

describe('bounds by age (D, E)', () => {
  it('D: inclusive upper bound, null outside the max age, later created wins', () => {
    const history = [
      row('1', 11, at('2023-12-31T00:00:00Z'), null),
      row('1', 22, at('2024-01-02T00:00:00Z'), null),
      row('1', 33, at('2024-01-03T00:00:00Z'), null),
      row('2', 22, at('2023-01-03T00:00:00Z'), null),
      row('3', 10, at('2024-01-01T00:00:00Z'), at('2024-01-03T00:00:00Z')),
      row('3', 20, at('2024-01-01T00:00:00Z'), at('2024-01-02T00:00:00Z')),
    ];
    const labels = [
      { key: '1', timeUs: at('2024-01-01T00:00:00Z') },
      { key: '1', timeUs: at('2024-01-02T00:00:00Z') },
      { key: '2', timeUs: at('2024-01-01T00:00:00Z') },
      { key: '3', timeUs: at('2024-01-03T00:00:00Z') },
    ];
    expect(pointInTimeJoin(labels, history, { maxAgeUs: 10n * DAY })).toEqual([11, 22, null, 10]);
  });

  it.each([
    ['E1: exactly max age old is seen', T0 - DAY, { maxAgeUs: DAY }, 7],
    ['E2: one second older is not', T0 - DAY - SECOND, { maxAgeUs: DAY }, null],
    ['E3: a max age of 0 is none', T0 - 365n * DAY, { maxAgeUs: 0n }, 7],
    ['E4: one millisecond in the future is not seen', T0 + 1_000n, {}, null],
    ['strict: at the label’s own time is not seen', T0, { strict: true }, null],
    ['strict: one microsecond before is', T0 - 1n, { strict: true }, 7],
  ])('%s', (_name, eventTimeUs, options, expected) => {
    expect(join([row('1', 7, eventTimeUs, T0)], ['1', T0], options)).toBe(expected);
  });
});

describe('the join as a whole', () => {
  it('a deletion hides what was before it', () => {
    expect(join([row('1', 7, T0, T0), row('1', null, T0 + 1n, T0)], ['1', T0 + 1n])).toBeNull();
    expect(join([row('1', 7, T0, T0), row('1', null, T0 + 1n, T0)], ['1', T0])).toBe(7);
  });

  it('does not depend on the order of the history, also where all times are equal', () => {
    const times = fc.bigInt({ min: -3n, max: 3n });
    const histories = fc.array(
      fc.record({
        key: fc.constantFrom('a', 'b'),
        eventTimeUs: times,
        createdTimeUs: fc.option(times),
        id: fc.nat(200),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(histories, fc.boolean(), fc.boolean(), (rows, strict, createdCutoff) => {
        const history = rows.map(({ id, ...rest }) => ({ ...rest, value: id, packed: Uint8Array.of(id) }));
        const labels = ['a', 'b'].flatMap(key => [-2n, 0n, 2n].map(timeUs => ({ key, timeUs })));
        const options = { strict, createdCutoff, maxAgeUs: 2n };
        expect(pointInTimeJoin(labels, history.toReversed(), options)).toEqual(
          pointInTimeJoin(labels, history, options),
        );
      }),
    );
  });
});
