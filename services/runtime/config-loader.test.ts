import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Problem, ProblemError } from '@featuremesh/domain/problem';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadRegionConfig } from './config-loader.ts';

const KEY = `${'A'.repeat(43)}=`;
const CONFIG = `# a comment
id: eu-west-1
jurisdiction: EU
cloud: aws
listen:
  http: 127.0.0.1:7420
  gateway: 127.0.0.1:7421
  sync: 127.0.0.1:7424
publicUrl: http://127.0.0.1:7420
publicGatewayUrl: http://127.0.0.1:7421
dataDir: ../state
objects: {type: filesystem, path: objects}
nats:
  embedded: {client: 127.0.0.1:7422, leaf: 127.0.0.1:7423}
keys:
  signing: /secure/signing.pem
officers:
  - id: olga
    publicKey: ${KEY}
    roles: [compliance]
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fm config '));
});
afterEach(() => rmSync(folder, { recursive: true }));

function load(text: string) {
  const path = join(folder, 'region.yaml');
  writeFileSync(path, text);
  return loadRegionConfig(path);
}

function problemOf(text: string): Problem {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
  throw new Error('was accepted');
}

describe('region.yaml', () => {
  it('is parsed, its paths made absolute from its own folder', () => {
    const config = load(CONFIG);
    expect(config).toMatchObject({
      id: 'eu-west-1',
      dataDir: join(folder, '../state'),
      objects: { path: join(folder, 'objects') },
      keys: { signing: '/secure/signing.pem', internal: join(folder, 'keys/internal.token') },
    });
  });

  it('a wrong value is named with file, line and path', () => {
    const { code, issues } = problemOf(
      CONFIG.replace('[compliance]', '[king]').replace('jurisdiction: EU', 'jurisdiction: 5'),
    );
    expect(code).toBe('INVALID_CONFIG');
    expect(issues?.map(issue => issue.path)).toEqual([
      'region.yaml:3 jurisdiction',
      'region.yaml:20 officers[0].roles[0]',
    ]);
  });

  it('a missing member is named with the line of what should hold it', () => {
    const { issues } = problemOf(CONFIG.replace('  sync: 127.0.0.1:7424\n', ''));
    expect(issues?.map(issue => issue.path)).toEqual(['region.yaml:6 listen.sync']);
  });

  it('broken YAML is named with its line', () => {
    const { code, issues } = problemOf(CONFIG.replace('jurisdiction: EU', 'jurisdiction: [EU'));
    expect(code).toBe('INVALID_CONFIG');
    expect(issues?.[0]?.path).toMatch(/^region\.yaml:\d+$/);
  });

  it('an empty, an absent and an oversized file are refused', () => {
    expect(problemOf('').code).toBe('INVALID_CONFIG');
    expect(problemOf(`id: ${'x'.repeat(1024 * 1024)}`).detail).toContain('larger than');
    expect(() => loadRegionConfig(join(folder, 'absent.yaml'))).toThrow('ENOENT');
  });
});
