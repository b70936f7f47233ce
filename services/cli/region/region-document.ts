import { readFile } from 'node:fs/promises';
import {
  type PeerConfig,
  parseRegionConfig,
  type RegionConfigInput,
} from '@featuremesh/contracts/region-config';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import { type Document, isSeq, parseDocument, YAMLMap } from 'yaml';

/**
 * Adds a peer to the text of region.yaml, or renews the entry of the same id, leaving everything else as it stands, comments
 * too. INVALID_CONFIG where the text is not valid before or after.
 */
export function withPeer(text: string, peer: PeerConfig): string {
  const document = parsed(text);
  if (!isSeq(document.get('peers'))) document.set('peers', document.createNode([]));
  const peers = document.get('peers');
  if (!isSeq(peers)) throw new ProblemError(problem('INVALID_CONFIG', 'region.yaml: `peers` must be a list'));
  const entry = document.createNode({ ...peer });
  const at = peers.items.findIndex(item => item instanceof YAMLMap && item.get('id') === peer.id);
  if (at === -1) peers.items.push(entry);
  else peers.items[at] = entry;
  peers.flow = false;
  return validText(document);
}

/** Text of region.yaml with another online store, everything else as it stands; INVALID_CONFIG where that makes no valid file. */
export function withStore(text: string, store: NonNullable<RegionConfigInput['store']>): string {
  const document = parsed(text);
  document.set('store', document.createNode(store));
  return validText(document);
}

function parsed(text: string): Document.Parsed {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error === undefined) return document;
  throw new ProblemError(
    problem('INVALID_CONFIG', `region.yaml cannot be parsed: ${error.message.split('\n')[0] ?? ''}`),
  );
}

function validText(document: Document.Parsed): string {
  const result = parseRegionConfig(document.toJS());
  if (!result.ok) throw new ProblemError(result.problem);
  return document.toString({ lineWidth: 0 });
}

/** Adds or renews a peer in the file, in one atomic step. True where the file changed. */
export async function addPeer(configPath: string, peer: PeerConfig): Promise<boolean> {
  const before = await readFile(configPath, 'utf8');
  const after = withPeer(before, peer);
  if (after === before) return false;
  await writeFileAtomic(configPath, after);
  return true;
}

/**
 * The text of region.yaml with its ports counted anew from `portBase`, as `region init` lays them out; comments and everything
 * else stay. Hosts are those of this machine.
 */
export function movePorts(text: string, portBase: number): string {
  const document = parseDocument(text);
  const at = (offset: number): string => `127.0.0.1:${portBase + offset}`;
  const places: readonly (readonly [path: readonly string[], value: string])[] = [
    [['listen', 'http'], at(0)],
    [['listen', 'gateway'], at(1)],
    [['listen', 'sync'], at(4)],
    [['publicUrl'], `http://${at(0)}`],
    [['publicGatewayUrl'], `http://${at(1)}`],
    [['nats', 'embedded', 'client'], at(2)],
    [['nats', 'embedded', 'leaf'], at(3)],
  ];
  if (places.every(([path, value]) => document.getIn(path) === value)) return text;
  for (const [path, value] of places) document.setIn(path, value);
  return document.toString({ lineWidth: 0 });
}
