import { describe, expect, it } from 'vitest';
import { seededRandom, systemRandom } from './random.ts';

describe('seeded random', () => {
  it('gives the same values for the same seed on every machine', () => {
    const random = seededRandom('seed-1');
    const drawn = {
      bytes: Buffer.from(random.bytes(6)).toString('hex'),
      int: random.int(1000),
      base32: random.base32(16),
    };
    expect(drawn).toEqual({ bytes: 'edb6284367e5', int: 411, base32: 'wuh63vaxtksembqc' });
  });

  it('derives streams by name that do not depend on what was drawn before', () => {
    const random = seededRandom('seed-1');
    const first = random.stream('network').base32(20);
    random.bytes(100);
    expect(random.stream('network').base32(20)).toBe(first);
    expect(random.stream('disk').base32(20)).not.toBe(first);
    expect(seededRandom('seed-2').stream('network').base32(20)).not.toBe(first);
  });

  it('is close to uniform', () => {
    const random = seededRandom('uniform');
    const counts = new Array<number>(10).fill(0);
    let sum = 0;
    for (let i = 0; i < 20_000; i++) {
      const value = random.int(10);
      counts[value] = (counts[value] ?? 0) + 1;
      sum += random.float();
    }
    // Expected 2,000 each, standard deviation 42.
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(220);
    expect(sum / 20_000).toBeCloseTo(0.5, 1);
  });
});

describe('system random', () => {
  it('draws bytes, numbers in range and base32 of the asked length', () => {
    expect(systemRandom.bytes(33)).toHaveLength(33);
    expect(systemRandom.base32(16)).toMatch(/^[a-z2-7]{16}$/);
    expect(systemRandom.base32(16)).not.toBe(systemRandom.base32(16));
    for (let i = 0; i < 100; i++) expect([0, 1, 2]).toContain(systemRandom.int(3));
  });
});
