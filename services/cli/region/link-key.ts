import { createUser, fromSeed } from '@nats-io/nkeys';

/** The pair that a region shows at its peers' leafnode ports: the seed stays in `keys/link.nk`, the public key travels. */
export interface LinkKey {
  readonly seed: string;
  /** `U…`, as broker configurations name users. */
  readonly publicKey: string;
}

/** Makes a new link key from the system's randomness. */
export function createLinkKey(): LinkKey {
  const pair = createUser();
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
}

/** The public key that belongs to a stored seed; throws where the text is no user seed. */
export function linkPublicKey(seed: string): string {
  return fromSeed(new TextEncoder().encode(seed.trim())).getPublicKey();
}
