import { type Problem, problem } from '@featuremesh/domain/problem';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EISDIR: 'a folder was given where a file is needed',
  ENOTDIR: 'a file is where a folder is needed',
  EACCES: 'this user may not read or write it',
  EPERM: 'this user may not read or write it',
  EEXIST: 'it exists already and is never replaced',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** The problem of a file that a command was given and the system refused; undefined for every other error. */
export function fileProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const reason = REASONS[error.code];
  if (reason === undefined) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : '';
  return problem('INVALID_REQUEST', `${path}${reason}`);
}
