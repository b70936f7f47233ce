import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { ProblemError, problem } from '@featuremesh/domain/problem';

/** DER of an Ed25519 SubjectPublicKeyInfo before its 32 raw bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const RAW_KEY_BYTES = 32;

/** A new key pair: the private key as PKCS #8 PEM, the public one as base64 of its raw 32 bytes. */
export interface SigningKey {
  readonly privateKeyPem: string;
  readonly publicKey: string;
}

/** Draws an Ed25519 key pair. */
export function generateSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: rawPublicKey(publicKey),
  };
}

/** Base64 of the raw public key that belongs to a private key in PEM. */
export function publicKeyOf(privateKeyPem: string): string {
  return rawPublicKey(createPublicKey(createPrivateKey(privateKeyPem)));
}

/** The public key object of base64 of 32 raw bytes; undefined where the text is not that. */
export function importPublicKey(publicKey: string): KeyObject | undefined {
  const raw = Buffer.from(publicKey, 'base64');
  if (raw.length !== RAW_KEY_BYTES || raw.toString('base64') !== publicKey) return undefined;
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
}

/** A detached Ed25519 signature over the UTF-8 of `text`, in base64. */
export function signText(privateKeyPem: string, text: string): string {
  return sign(null, Buffer.from(text), createPrivateKey(privateKeyPem)).toString('base64');
}

/** True where `signature` (base64) is the key's over `text`; false for anything malformed, never an error. */
export function verifyText(publicKey: string, text: string, signature: string): boolean {
  const key = importPublicKey(publicKey);
  return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
}

/** Writes a private key that only this user may read; never replaces a file. */
export function writePrivateKey(path: string, privateKeyPem: string): void {
  writeFileSync(path, privateKeyPem, { mode: 0o600, flag: 'wx' });
}

/** Reads a private key file. Throws a ProblemError INVALID_CONFIG where it is absent, no Ed25519 key, or open to other users. */
export function readPrivateKey(path: string): string {
  let pem: string;
  try {
    if ((statSync(path).mode & 0o077) !== 0)
      throw new Error('the file is readable by other users; chmod it to 0600');
    pem = readFileSync(path, 'utf8');
    if (createPrivateKey(pem).asymmetricKeyType !== 'ed25519') throw new Error('it is no Ed25519 key');
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable';
    throw new ProblemError(problem('INVALID_CONFIG', `private key ${path}: ${reason}`), { cause: error });
  }
  return pem;
}

function rawPublicKey(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length).toString('base64');
}
