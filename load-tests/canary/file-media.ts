import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { FEED_STREAM } from '@featuremesh/domain/subjects';
import type { CanaryItem, CanaryMedium } from './canary-medium.ts';
import { isPlacedIn } from './needle.ts';

/** A file is read whole, since what is packed in it may stand anywhere. */
const MAX_FILE_BYTES = 1024 ** 3;

/** A part of a region's folder: what the region's processes leave on disk, as a stopped region leaves it too. */
interface FolderPart {
  readonly name: string;
  readonly folder: string;
  readonly control: string | undefined;
  /** Logs may hold no value of any row, the region's own included. */
  readonly isSaid?: boolean;
}

/** All files below a region's folder, by what they are: broker, LMDB, objects, logs, run files, and the rest (configuration, keys). */
export function fileMedia(config: RegionConfig, folder: string): readonly CanaryMedium[] {
  const inData = (name: string): string => join(config.dataDir, name);
  const objects = config.objects.type === 'filesystem' ? config.objects.path : undefined;
  const parts: FolderPart[] = [
    { name: 'broker files', folder: inData('nats'), control: `${FEED_STREAM}.` },
    { name: 'LMDB files', folder: inData('lmdb'), control: config.id },
    { name: 'objects', folder: objects ?? inData('objects'), control: undefined },
    { name: 'logs', folder: inData('logs'), control: config.id, isSaid: true },
    { name: 'run files', folder: inData('run'), control: config.id },
  ];
  const rest = { name: 'other files', folder, control: config.id };
  return [
    ...parts.map(part => folderMedium(config.id, part, [])),
    folderMedium(
      config.id,
      rest,
      parts.map(part => part.folder),
    ),
  ];
}

function folderMedium(region: string, part: FolderPart, without: readonly string[]): CanaryMedium {
  return {
    name: part.name,
    region,
    permits: needle => part.isSaid !== true && isPlacedIn(needle, region),
    control: part.control,
    async *scan() {
      for await (const path of filesBelow(part.folder, without)) {
        const item = await itemOf(path, part.folder);
        if (item !== undefined) yield item;
      }
    },
  };
}

/** Paths of all files below a folder, without some folders in it; none where it is not there. */
export async function* filesBelow(folder: string, without: readonly string[]): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(absent);
  for (const entry of entries ?? []) {
    const path = join(folder, entry.name);
    if (without.includes(path)) continue;
    if (entry.isDirectory()) yield* filesBelow(path, without);
    else if (entry.isFile()) yield path;
  }
}

/** A file whole, named by its place below a folder; undefined where it went away, as files of brokers and stores do while they run. */
export async function itemOf(path: string, folder: string): Promise<CanaryItem | undefined> {
  const name = relative(folder, path);
  const found = await stat(path).catch(absent);
  if (found !== undefined && found.size > MAX_FILE_BYTES)
    throw new RangeError(`${name} is too large to be searched`);
  const bytes = await readFile(path).catch(absent);
  if (bytes === undefined) return undefined;
  if (name.endsWith('.blk') && bytes.subarray(0, 3).toString() === 'cmp')
    throw new TypeError(`${name} is packed by the broker; no region of ours has that set`);
  return { where: name.split(sep).join('/'), bytes };
}

/** For files that may go away at any time: undefined instead of the error that says so. */
export function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
