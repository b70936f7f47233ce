import { createHash, timingSafeEqual } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Random } from './random.ts';

const TOKEN_BYTES = 32;
const PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** The token in the file, made where there is none; of processes that race, all get the first one's. Mode 0600. */
export function ensureInternalToken(path: string, random: Random): string {
  const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // Written aside and linked into place, so that no other process reads a file that is not whole.
  const draft = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}`;
  writeFileSync(draft, token, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, path);
    return token;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return readInternalToken(path);
    throw error;
  } finally {
    rmSync(draft);
  }
}

/** The token in the file. Throws a ProblemError INVALID_CONFIG where there is none. */
export function readInternalToken(path: string): string {
  try {
    const token = readFileSync(path, 'utf8').trim();
    if (PATTERN.test(token)) return token;
  } catch (error) {
    throw new ProblemError(problem('INVALID_CONFIG', `internal token ${path} cannot be read`), {
      cause: error,
    });
  }
  throw new ProblemError(problem('INVALID_CONFIG', `internal token ${path} is malformed`));
}

/** True where an `Authorization` header shows the token; takes the same time for every wrong one. */
export function showsInternalToken(authorization: string | undefined, token: string): boolean {
  if (authorization === undefined || !authorization.startsWith('Bearer ')) return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization.slice('Bearer '.length)), digest(token));
}
