import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { type MeshFile, readMeshFile } from '@featuremesh/cli/target/mesh-file';
import { type FmeshResult, fmesh } from '@featuremesh/cli/testing/fmesh-process';
import { freeMeshPortBase, testProfile } from './test-profile.ts';

/** An HTTP answer; the body is parsed where it is JSON. */
export interface MeshAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a launcher that did not come up said. */
export interface FailedStart {
  readonly code: number | null;
  readonly said: string;
}

/** The program of `npm start` with its arguments, as a process of its own. */
function launch(args: readonly string[]): ChildProcess {
  const program = join(installationRoot, 'infra', 'local-mesh', 'main.ts');
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    cwd: installationRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs the launcher until it ends by itself: for starts that must be refused. */
export async function refusedStart(args: readonly string[]): Promise<FailedStart> {
  const child = launch(args);
  const heard = listen(child);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said: heard.text };
}

/** A mesh without demo data, of three regions unless told otherwise, started by the real launcher; spoken to by the real CLI and over HTTP. */
export class RunningMesh {
  readonly dataDir: string;
  readonly file: MeshFile;
  readonly #child: ChildProcess;
  readonly #cwd: string;

  private constructor(parts: { dataDir: string; cwd: string; file: MeshFile; child: ChildProcess }) {
    this.dataDir = parts.dataDir;
    this.file = parts.file;
    this.#child = parts.child;
    this.#cwd = parts.cwd;
  }

  /** Starts it in `<cwd>/.featuremesh`, where `fmesh` looks by itself, with the profile of the tests; resolves when it says that it is ready, rejects with all that it said where it ends before. */
  static async start(cwd: string, options: readonly string[] = []): Promise<RunningMesh> {
    const dataDir = join(cwd, '.featuremesh');
    const ports = ['--port-base', String(await freeMeshPortBase())];
    const child = launch([
      '--no-demo',
      '--data-dir',
      dataDir,
      '--profile',
      testProfile(),
      ...ports,
      ...options,
    ]);
    const heard = listen(child);
    const ready = new Promise<void>((resolve, reject) => {
      heard.onText = () => heard.text.includes('Ctrl-C stops the mesh') && resolve();
      child.once('exit', () => reject(new Error(`the launcher ended: ${heard.text}`)));
    });
    await ready;
    const file = readMeshFile(dataDir);
    if (file === undefined) throw new Error('a ready mesh has no mesh.json');
    return new RunningMesh({ dataDir, cwd, file, child });
  }

  /** Address of a region's service or gateway. */
  url(region: string, part: 'url' | 'gatewayUrl' = 'url'): string {
    const found = this.file.regions.find(({ id }) => id === region);
    if (found === undefined) throw new Error(`no region ${region}`);
    return found[part];
  }

  /** Runs `fmesh` in the test's folder against this mesh. */
  fmesh(...args: string[]): Promise<FmeshResult> {
    return fmesh(args, this.#cwd);
  }

  /** Posts a body, text as it is, anything else as JSON. */
  async post(
    url: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<MeshAnswer> {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const type = answer.headers.get('content-type') ?? '';
    return { status: answer.status, type, body: (await answer.json()) as MeshAnswer['body'] };
  }

  /** Ends it as Ctrl-C does, or otherwise. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }
}

interface Heard {
  text: string;
  onText: () => void;
}

function listen(child: ChildProcess): Heard {
  const heard: Heard = { text: '', onText: () => undefined };
  const take = (text: string): void => {
    heard.text += text;
    heard.onText();
  };
  child.stdout?.setEncoding('utf8').on('data', take);
  child.stderr?.setEncoding('utf8').on('data', take);
  return heard;
}
