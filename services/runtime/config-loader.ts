import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import {
  type CassandraStoreConfig,
  parseRegionConfig,
  type RegionConfig,
} from '@featuremesh/contracts/region-config';
import { type Issue, ProblemError, problem } from '@featuremesh/domain/problem';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';

/** Bytes of a configuration file: dozens of peers and officers take a hundredth of it. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * The configuration in region.yaml, its paths made absolute from the file's folder. Throws a ProblemError: INVALID_CONFIG (or
 * NOT_YET_SUPPORTED) with one issue per mistake, each with file, line and path.
 */
export function loadRegionConfig(path: string): RegionConfig {
  const file = basename(path);
  const lines = new LineCounter();
  const document = parseDocument(readConfig(path), { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const issues = document.errors.map(({ pos, message }) => ({
      path: `${file}:${lines.linePos(pos[0]).line}`,
      message,
    }));
    throw new ProblemError(problem('INVALID_CONFIG', `${path} is not valid YAML`, { issues }));
  }
  const parsed = parseRegionConfig(document.toJS({ maxAliasCount: 100 }));
  if (parsed.ok) return absolute(parsed.value, dirname(resolve(path)));
  const issues = parsed.problem.issues?.map(issue => withLine(issue, { file, document, lines })) ?? [];
  throw new ProblemError({ ...parsed.problem, detail: `${path}: ${parsed.problem.detail}`, issues });
}

function readConfig(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length <= MAX_CONFIG_BYTES) return text;
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : 'unreadable';
    throw new ProblemError(problem('INVALID_CONFIG', `${path} cannot be read (${reason})`), { cause: error });
  }
  throw new ProblemError(problem('INVALID_CONFIG', `${path} is larger than ${MAX_CONFIG_BYTES} bytes`));
}

/** `region.yaml:12 peers[0].id`: the line of the value itself, or of the closest thing around it where it is missing. */
function withLine(issue: Issue, source: { file: string; document: Document; lines: LineCounter }): Issue {
  const path = issue.path.split(/[.[\]]+/).filter(part => part !== '');
  for (let depth = path.length; depth >= 0; depth--) {
    const node =
      depth === 0 ? source.document.contents : source.document.getIn(path.slice(0, depth).map(index), true);
    if (!isNode(node) || !node.range) continue;
    const { line } = source.lines.linePos(node.range[0]);
    return { ...issue, path: `${source.file}:${line} ${issue.path}`.trimEnd() };
  }
  return { ...issue, path: `${source.file} ${issue.path}`.trimEnd() };
}

function index(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}

function absolute(config: RegionConfig, folder: string): RegionConfig {
  const from = (path: string): string => resolve(folder, path);
  const { objects, tls, keys, store, registry } = config;
  return {
    ...config,
    dataDir: from(config.dataDir),
    store: store.type === 'cassandra' ? absoluteStore(store, from) : store,
    registry: registry.type === 'cassandra' ? absoluteStore(registry, from) : registry,
    objects:
      objects.type === 'filesystem' && objects.path !== undefined
        ? { ...objects, path: from(objects.path) }
        : objects,
    keys: {
      signing: from(keys.signing),
      link: from(keys.link),
      internal: from(keys.internal),
      natsSecrets: from(keys.natsSecrets),
    },
    ...(tls === undefined ? {} : { tls: { certificate: from(tls.certificate), key: from(tls.key) } }),
  };
}

function absoluteStore(store: CassandraStoreConfig, from: (path: string) => string): CassandraStoreConfig {
  const { credentials, tls } = store;
  const { passwordFile } = credentials ?? {};
  return {
    ...store,
    ...(credentials === undefined || passwordFile === undefined
      ? {}
      : { credentials: { ...credentials, passwordFile: from(passwordFile) } }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ca: from(tls.ca),
            ...(tls.certificate === undefined ? {} : { certificate: from(tls.certificate) }),
            ...(tls.key === undefined ? {} : { key: from(tls.key) }),
          },
        }),
  };
}
