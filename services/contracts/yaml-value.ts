import type { ErrorCode } from '@featuremesh/domain/error-catalogue';
import type { Issue } from '@featuremesh/domain/problem';
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';
import { closestName } from './closest-name.ts';

/** One file as read: its name as it shall stand in errors, and its text. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Bytes of one definition or policy file; a thousand groups fit. */
const MAX_SOURCE_FILE_BYTES = 4 * 1024 * 1024;

interface Origin {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly issues: Issue[];
}

/** A place in a YAML file that is read once into a domain type; everything wrong with it is noted with file, line, column and path. */
export class YamlValue {
  readonly #origin: Origin;
  readonly #node: Node | null;
  readonly #path: string;
  /** Where an absent value would stand: its parent. */
  readonly #anchor: Node | null;

  constructor(origin: Origin, node: Node | null, path: string, anchor: Node | null) {
    this.#origin = origin;
    this.#node = isAlias(node) ? (node.resolve(origin.document) ?? null) : node;
    this.#path = path;
    this.#anchor = node ?? anchor;
  }

  /** `file:line:column path`. */
  get where(): string {
    const offset = this.#anchor?.range?.[0] ?? 0;
    const { line, col } = this.#origin.lines.linePos(offset);
    const place = `${this.#origin.file}:${Math.max(1, line)}:${Math.max(1, col)}`;
    return this.#path === '' ? place : `${place} ${this.#path}`;
  }

  /** Notes that this place is wrong. */
  report(message: string, code?: ErrorCode): void {
    this.#origin.issues.push({ path: this.where, message, ...(code === undefined ? {} : { code }) });
  }

  /** True where nothing, or an explicit null, stands here. */
  get absent(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  /** True where a text stands here. */
  get isText(): boolean {
    return isScalar(this.#node) && typeof this.#node.value === 'string';
  }

  /** True where a text without characters stands here. */
  get isEmptyText(): boolean {
    return isScalar(this.#node) && this.#node.value === '';
  }

  /** True where a list stands here. */
  get isList(): boolean {
    return isSeq(this.#node);
  }

  /** The member of a mapping; an absent one is a value as well, whose reports point at the mapping. */
  field(name: string): YamlValue {
    const path = this.#path === '' ? name : `${this.#path}.${name}`;
    const node = isMap(this.#node) ? (this.#node.get(name, true) as Node | undefined) : undefined;
    return new YamlValue(this.#origin, node ?? null, path, this.#node);
  }

  /** Notes everything but a mapping with the named members; a near miss is suggested, a member of a later milestone is refused. */
  checkFields(known: readonly string[], later: readonly string[] = []): boolean {
    if (!isMap(this.#node)) {
      this.report(this.absent ? 'is missing' : 'must be a mapping');
      return false;
    }
    for (const { key } of this.#node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (known.includes(name)) continue;
      const at = new YamlValue(this.#origin, key as Node, this.field(name).#path, this.#node);
      if (later.includes(name)) {
        at.report(`\`${name}\` is not supported yet`, 'NOT_YET_SUPPORTED');
        continue;
      }
      const close = closestName(name, [...known, ...later]);
      const hint = close === undefined ? `known are ${known.join(', ')}` : `did you mean \`${close}\`?`;
      at.report(`unknown field \`${name}\`; ${hint}`);
    }
    return true;
  }

  /** The names of a mapping's members. */
  fieldNames(): readonly string[] {
    if (!isMap(this.#node)) return [];
    return this.#node.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''));
  }

  /** The items of a list; none where it is absent. */
  items(): readonly YamlValue[] {
    if (this.absent) return [];
    if (!isSeq(this.#node)) {
      this.report('must be a list');
      return [];
    }
    return this.#node.items.map((item, i) => {
      return new YamlValue(this.#origin, (item as Node | null) ?? null, `${this.#path}[${i}]`, this.#node);
    });
  }

  /** A text that must be there and not be empty. */
  text(): string | undefined {
    if (this.absent) {
      this.report('is missing');
      return undefined;
    }
    return this.optionalText();
  }

  /** A text, or undefined where it is absent; anything else is noted. */
  optionalText(): string | undefined {
    if (this.absent) return undefined;
    if (isScalar(this.#node) && typeof this.#node.value === 'string' && this.#node.value !== '') {
      return this.#node.value;
    }
    this.report('must be a text that is not empty');
    return undefined;
  }

  /** A list of texts. */
  texts(): string[] {
    return this.items()
      .map(item => item.text())
      .filter(text => text !== undefined);
  }

  /** `true` or `false`, or the default where it is absent. */
  flag(fallback: boolean): boolean {
    if (this.absent) return fallback;
    if (isScalar(this.#node) && typeof this.#node.value === 'boolean') return this.#node.value;
    this.report('must be true or false');
    return fallback;
  }

  /** A whole number from 1 that must be there. */
  positiveInteger(): number | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
    this.report(this.absent ? 'is missing' : 'must be a whole number from 1');
    return undefined;
  }

  /** One of the named words, or the default where it is absent. */
  oneOf<T extends string>(words: readonly T[], fallback: T): T {
    if (this.absent) return fallback;
    const text = isScalar(this.#node) ? this.#node.value : undefined;
    const word = words.find(candidate => candidate === text);
    if (word !== undefined) return word;
    const close = typeof text === 'string' ? closestName(text, words) : undefined;
    this.report(
      `must be one of ${words.join(', ')}${close === undefined ? '' : `; did you mean \`${close}\`?`}`,
    );
    return fallback;
  }
}

/** The root of each file; syntax errors are noted with their places, and such a file has no root. Empty files have none either. */
export function parseYamlFiles(files: readonly SourceFile[], issues: Issue[]): readonly YamlValue[] {
  return files.flatMap(({ name, text }) => {
    if (text.length > MAX_SOURCE_FILE_BYTES) {
      issues.push({ path: `${name}:1:1`, message: `the file is larger than ${MAX_SOURCE_FILE_BYTES} bytes` });
      return [];
    }
    const lines = new LineCounter();
    const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
    if (!Array.isArray(documents)) return [];
    const errors = documents.flatMap(document => document.errors);
    for (const error of errors) {
      const { line, col } = lines.linePos(error.pos[0]);
      issues.push({ path: `${name}:${line}:${col}`, message: error.message });
    }
    const dangling = documents.flatMap(document => danglingAliases(document));
    for (const alias of dangling) {
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
      issues.push({
        path: `${name}:${line}:${col}`,
        message: `the alias *${alias.source} has no anchor before it`,
      });
    }
    if (errors.length > 0 || dangling.length > 0) return [];
    return documents
      .filter(document => document.contents !== null)
      .map(document => new YamlValue({ file: name, document, lines, issues }, document.contents, '', null));
  });
}

function danglingAliases(document: Document): readonly Alias[] {
  const found: Alias[] = [];
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined) found.push(alias);
    },
  });
  return found;
}

/** Issues in the order of the files, then of their places, so that a reader goes through each file once. */
export function inFileOrder(issues: readonly Issue[], files: readonly SourceFile[]): readonly Issue[] {
  const key = ({ path }: Issue): readonly [number, number, number] => {
    const match = /^(.*?):(\d+):(\d+)(?: |$)/.exec(path);
    return [
      files.findIndex(({ name }) => name === match?.[1]),
      Number(match?.[2] ?? 0),
      Number(match?.[3] ?? 0),
    ];
  };
  return issues
    .map(issue => ({ issue, key: key(issue) }))
    .toSorted((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1] || a.key[2] - b.key[2])
    .map(({ issue }) => issue);
}
