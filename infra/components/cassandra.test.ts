import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { locateCassandra } from './cassandra.ts';
import jars from './cassandra-jars.json' with { type: 'json' };
import { ComponentMissing } from './component-missing.ts';
import { locateJava } from './java.ts';
import { downloadFiles, mavenFile, mavenFileName, mavenRepository } from './maven-repository.ts';

let scratch = '';

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'featuremesh-cassandra-'));
  vi.stubEnv('FEATUREMESH_CACHE', join(scratch, 'cache'));
  vi.stubEnv('FEATUREMESH_CASSANDRA_JARS', '');
  vi.stubEnv('FEATUREMESH_MAVEN_REPOSITORY', '');
  vi.stubEnv('HOME', scratch);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(scratch, { recursive: true, force: true });
});

async function served<T>(listener: RequestListener, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/maven`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function fakeJava(version: string): Promise<string> {
  const home = join(scratch, version);
  await mkdir(join(home, 'bin'), { recursive: true });
  await writeFile(join(home, 'bin', 'java'), `#!/bin/sh\necho 'openjdk version "${version}" 2025' >&2\n`);
  await chmod(join(home, 'bin', 'java'), 0o755);
  return home;
}

const refusalOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describe('Java', () => {
  test('a Java 17 that JAVA_HOME names is taken', async () => {
    const home = await fakeJava('17.0.2');
    vi.stubEnv('JAVA_HOME', home);
    expect(await locateJava()).toBe(join(home, 'bin', 'java'));
  });

  test('another version is refused by its path and number, with the remedy', async () => {
    vi.stubEnv('JAVA_HOME', await fakeJava('21.0.1'));
    const refusal = await refusalOf(locateJava());
    expect(refusal).toBeInstanceOf(ComponentMissing);
    expect(String(refusal)).toMatch(/is Java 21[\s\S]*What to do: install Java 17 .*JAVA_HOME/);
  });

  test('a PATH is searched past the wrong versions', async () => {
    const [old, right] = [await fakeJava('1.8.0_402'), await fakeJava('17.0.9')];
    vi.stubEnv('JAVA_HOME', '');
    vi.stubEnv('PATH', `${join(old, 'bin')}:${join(right, 'bin')}`);
    expect(await locateJava()).toBe(join(right, 'bin', 'java'));
    vi.stubEnv('PATH', scratch);
    expect(String(await refusalOf(locateJava()))).toMatch(/there is none on the PATH/);
  });
});

describe('jars', () => {
  test('the list names each file once, with its checksum', () => {
    const files = Object.entries(jars).map(([name, sha256]) => mavenFile(name, sha256));
    expect(new Set(files.map(mavenFileName)).size).toBe(100);
    expect(files.filter(({ sha256 }) => !/^[0-9a-f]{64}$/.test(sha256))).toEqual([]);
  });

  test('the repository is the one named, else the mirror of Maven Central in the settings', async () => {
    const settings = join(scratch, 'settings.xml');
    expect(await mavenRepository(settings)).toBeUndefined();
    await writeFile(
      settings,
      `<settings><mirrors>
        <!-- <mirror><mirrorOf>*</mirrorOf><url>https://commented.example</url></mirror> -->
        <mirror><id>a</id><mirrorOf>*,!central</mirrorOf><url>https://others.example</url></mirror>
        <mirror><id>b</id><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url><blocked>true</blocked></mirror>
        <mirror><id>c</id><mirrorOf>central</mirrorOf><url> https://mirror.example/maven/ </url></mirror>
      </mirrors></settings>`,
    );
    expect(await mavenRepository(settings)).toBe('https://mirror.example/maven');
    vi.stubEnv('FEATUREMESH_MAVEN_REPOSITORY', 'https://named.example/maven2/');
    expect(await mavenRepository(settings)).toBe('https://named.example/maven2');
  });

  test('files are taken from their place in the repository, tried again, and verified', async () => {
    const bytes = Buffer.from('a jar');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const asked: string[] = [];
    await served(
      (request, response) => {
        asked.push(request.url ?? '');
        response.writeHead(asked.length === 1 ? 503 : 200).end(bytes);
      },
      async url => {
        await downloadFiles(url, [mavenFile('org.example.deep:part:1.2:linux', sha256)], scratch);
        const forged = mavenFile('org.example:part:3', '0'.repeat(64));
        await expect(downloadFiles(url, [forged], scratch)).rejects.toThrow(
          /part-3\.jar .*unexpected checksum/,
        );
      },
    );
    expect(asked[1]).toBe('/maven/org/example/deep/part/1.2/part-1.2-linux.jar');
    expect(await readFile(join(scratch, 'part-1.2-linux.jar'))).toEqual(bytes);
    expect(await readdir(scratch)).not.toContain('part-3.jar');
  });

  test('where neither repository nor Maven serves, both reasons and the remedy are named, and nothing is kept', async () => {
    vi.stubEnv('PATH', scratch);
    const refusal = await served(
      (_, response) => response.writeHead(404).end(),
      url => {
        vi.stubEnv('FEATUREMESH_MAVEN_REPOSITORY', url);
        return refusalOf(locateCassandra());
      },
    );
    expect(refusal).toBeInstanceOf(ComponentMissing);
    expect(String(refusal)).toMatch(
      /not served by the configured repository \(HTTP 404\), and mvn could not/,
    );
    expect(String(refusal)).toMatch(/FEATUREMESH_MAVEN_REPOSITORY.*FEATUREMESH_CASSANDRA_JARS/);
    expect(await readdir(join(scratch, 'cache'))).toEqual([]);
  });

  test('a named folder that lacks files is refused', async () => {
    vi.stubEnv('FEATUREMESH_CASSANDRA_JARS', scratch);
    expect(String(await refusalOf(locateCassandra()))).toMatch(/lacks 100 of the listed files/);
  });
});
