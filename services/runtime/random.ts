import { createHash, randomBytes } from 'node:crypto';

/** Chance as an injected input. Never for secrets where it is seeded. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1), 32 bits of it. */
  float(): number;
  /** Uniform integer in [0, below). */
  int(below: number): number;
  /** Lower-case base32 characters (`[a-z2-7]`), 5 bits each. */
  base32(length: number): string;
}

/** A seeded source: the same seed gives the same values on every machine; `stream` derives an independent one by name. */
export interface SeededRandom extends Random {
  stream(name: string): SeededRandom;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

function fromBytes(bytes: (length: number) => Uint8Array): Random {
  const word = (): number => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes(4);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  };
  return {
    bytes,
    float: () => word() / 0x1_0000_0000,
    // Below 2^21 the bias of the product is under 2^-11, which no user of this notices.
    int: below => Math.floor((word() / 0x1_0000_0000) * below),
    base32: length => Array.from(bytes(length), byte => BASE32[byte & 31]).join(''),
  };
}

/** The machine's cryptographic source. */
export const systemRandom: Random = fromBytes(length => randomBytes(length));

/** A seeded source by sfc32 (Doty-Humphrey, PractRand), its state the SHA-256 of the seed's text. */
export function seededRandom(seed: string): SeededRandom {
  const digest = createHash('sha256').update(seed).digest();
  const state = Uint32Array.from([0, 4, 8, 12], at => digest.readUInt32LE(at));
  const word = (): number => {
    const [a = 0, b = 0, c = 0, counter = 0] = state;
    const sum = (a + b + counter) >>> 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    state[3] = counter + 1;
    return sum;
  };
  const bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const value = word();
      for (let i = 0; i < 4 && at + i < length; i++) out[at + i] = value >>> (24 - 8 * i);
    }
    return out;
  };
  return { ...fromBytes(bytes), stream: name => seededRandom(`${seed}/${name}`) };
}
