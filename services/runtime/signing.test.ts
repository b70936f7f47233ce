import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureInternalToken, readInternalToken, showsInternalToken } from './internal-token.ts';
import { seededRandom } from './random.ts';
import {
  generateSigningKey,
  importPublicKey,
  publicKeyOf,
  readPrivateKey,
  signText,
  verifyText,
  writePrivateKey,
} from './signing.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fm-signing-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('signatures', () => {
  // RFC 8032, section 7.1, test 2: one byte, 0x72, which is the text "r".
  const SEED = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
  const PUBLIC = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
  const SIGNATURE =
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
  const pem = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(`302e020100300506032b657004220420${SEED}`, 'hex').toString('base64')}\n-----END PRIVATE KEY-----\n`;
  const base64 = (text: string): string => Buffer.from(text, 'hex').toString('base64');

  it('are those of RFC 8032', () => {
    expect(publicKeyOf(pem)).toBe(base64(PUBLIC));
    expect(signText(pem, 'r')).toBe(base64(SIGNATURE));
    expect(verifyText(base64(PUBLIC), 'r', base64(SIGNATURE))).toBe(true);
  });

  it('do not verify over another text, by another key, or when malformed', () => {
    const other = generateSigningKey().publicKey;
    expect(verifyText(base64(PUBLIC), 's', base64(SIGNATURE))).toBe(false);
    expect(verifyText(other, 'r', base64(SIGNATURE))).toBe(false);
    expect(verifyText(base64(PUBLIC), 'r', '')).toBe(false);
    expect(verifyText(base64(PUBLIC), 'r', 'AAAA')).toBe(false);
    for (const key of ['', 'AAAA', PUBLIC, `${base64(PUBLIC)} `]) {
      expect(importPublicKey(key)).toBeUndefined();
      expect(verifyText(key, 'r', base64(SIGNATURE))).toBe(false);
    }
  });
});

describe('private key files', () => {
  it('are readable by this user only and never replaced', () => {
    const path = join(folder, 'signing.pem');
    const { privateKeyPem, publicKey } = generateSigningKey();
    writePrivateKey(path, privateKeyPem);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(publicKeyOf(readPrivateKey(path))).toBe(publicKey);
    expect(() => writePrivateKey(path, generateSigningKey().privateKeyPem)).toThrow('EEXIST');
  });

  it('are refused when open to others, absent or no key', () => {
    const path = join(folder, 'signing.pem');
    writePrivateKey(path, generateSigningKey().privateKeyPem);
    chmodSync(path, 0o640);
    expect(() => readPrivateKey(path)).toThrow('0600');
    writeFileSync(join(folder, 'junk'), 'junk', { mode: 0o600 });
    expect(() => readPrivateKey(join(folder, 'junk'))).toThrow('INVALID_CONFIG');
    expect(() => readPrivateKey(join(folder, 'absent'))).toThrow('INVALID_CONFIG');
  });
});

describe('internal token', () => {
  it('is made once, with mode 0600, in a folder of its own, and leaves no draft', () => {
    const path = join(folder, 'keys', 'internal.token');
    const token = ensureInternalToken(path, seededRandom('a'));
    expect(ensureInternalToken(path, seededRandom('b'))).toBe(token);
    expect(readInternalToken(path)).toBe(token);
    expect(readFileSync(path, 'utf8')).toBe(token);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'keys')).mode & 0o777).toBe(0o700);
  });

  it('is shown by the exact bearer header only', () => {
    const token = ensureInternalToken(join(folder, 'internal.token'), seededRandom('a'));
    expect(showsInternalToken(`Bearer ${token}`, token)).toBe(true);
    for (const header of [undefined, '', token, `Bearer ${token}x`, 'Bearer ', `bearer ${token}`]) {
      expect(showsInternalToken(header, token)).toBe(false);
    }
  });

  it('is refused when absent or malformed', () => {
    writeFileSync(join(folder, 'short'), 'abc');
    expect(() => readInternalToken(join(folder, 'short'))).toThrow('malformed');
    expect(() => readInternalToken(join(folder, 'absent'))).toThrow('cannot be read');
  });
});
