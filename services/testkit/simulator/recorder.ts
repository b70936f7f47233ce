import { decodeLinkMessage, decodeLinkRows } from '@featuremesh/contracts/link-batch-codec';
import { type ChunkRow, decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { CURSOR_TOKEN, OUT_LINK_SUBJECT, parseFeedSubject } from '@featuremesh/domain/subjects';
import type {
  AcknowledgedRow,
  AnsweredRead,
  Evidence,
  FeedAppend,
  LagSample,
  OutAppend,
  PositionedWrite,
  ProgressReport,
  Relapse,
  Resting,
  StoredTable,
  WatermarkMove,
} from '../checkers/evidence.ts';
import { type NaiveRow, naiveOrder, naiveRow } from '../checkers/naive-row.ts';
import type { Observers } from '../simulation/process-parts.ts';
import type { RegionDisk } from '../simulation/region-disk.ts';
import type { Scheduler } from '../simulation/scheduler.ts';
import type { SimulatedMesh } from '../simulation/simulated-mesh.ts';
import { SightingLog } from './sightings.ts';

/** Writes down what happens in a run, at the brokers and stores themselves, so that no process under test is asked about itself. */
export class Recorder {
  readonly #scheduler: Scheduler;
  readonly feeds: FeedAppend[] = [];
  readonly outs: OutAppend[] = [];
  readonly resting: Resting[] = [];
  readonly acknowledged: AcknowledgedRow[] = [];
  readonly progress: ProgressReport[] = [];
  readonly lags: LagSample[] = [];
  readonly watermarks: WatermarkMove[] = [];
  readonly reads: AnsweredRead[] = [];
  readonly relapses: Relapse[] = [];
  /** Not judged by themselves: what readers may wait for. */
  readonly positioned: PositionedWrite[] = [];
  readonly #watermarks = new Map<string, number>();
  /** Region, table and key → the greatest row that ever stood there. */
  readonly #greatest = new Map<string, NaiveRow>();

  readonly #secrets: SightingLog;

  /** `words` are those that not every region may know. */
  constructor(scheduler: Scheduler, words: readonly string[] = []) {
    this.#scheduler = scheduler;
    this.#secrets = new SightingLog(words);
  }

  /** To be given to the mesh. */
  observers(trace: ((line: string) => void) | undefined): Observers {
    return {
      onProgress: (region, progress) => {
        this.progress.push({ region, ...progress, atMs: this.#scheduler.nowMs() });
        trace?.(`${region} knows ${JSON.stringify(progress)}`);
      },
      onApplied: disk => {
        this.#noteWatermarks(disk);
        this.#noteRelapses(disk);
      },
      log: (source, level, fields, message) => {
        const { err } = fields;
        const error = err instanceof Error ? `${err.name}: ${err.message}` : '';
        const line = `${source} ${level} ${message} ${error} ${JSON.stringify({ ...fields, err: undefined })}`;
        trace?.(line);
        const [region = ''] = source.split('/');
        this.#rest(region, 'log line', new TextEncoder().encode(line));
        this.#secrets.line(region, line);
      },
    };
  }

  /** Listens to every stream of the mesh. */
  watch(mesh: SimulatedMesh): void {
    this.#secrets.watch(mesh);
    for (const { disk } of mesh.regions.values()) {
      disk.feed.stream.onAppend(({ seq, subject, data, storedAtMs }) => {
        const parsed = parseFeedSubject(subject);
        const groupId = parsed === undefined || parsed.groupId === CURSOR_TOKEN ? '' : parsed.groupId;
        this.#rest(disk.id, 'FEED', data.body);
        this.feeds.push({
          region: disk.id,
          sequence: seq,
          groupId,
          rows: data.body.length === 0 ? [] : decodeFeedChunk(data.body),
          imported: data.cursor,
          atMs: storedAtMs,
          regionMs: storedAtMs + disk.skewMs,
        });
      });
      disk.held.onAppend(({ data }) => this.#restBatch(disk.id, 'HELD', data.bytes));
    }
    for (const link of mesh.links()) {
      link.out.onAppend(({ seq, subject, data, storedAtMs }) => {
        // Progress and epochs hold no rows.
        if (subject === OUT_LINK_SUBJECT) return;
        const batch = this.#restBatch(link.to, 'OUT', data);
        if (batch === undefined) throw new TypeError('an exporter wrote what is no batch');
        this.outs.push({ from: link.from, to: link.to, seq, ...batch, atMs: storedAtMs });
      });
    }
  }

  /** All that was seen, with what the stores hold now. */
  evidence(mesh: SimulatedMesh): Evidence {
    const stored: StoredTable[] = [];
    for (const { disk } of mesh.regions.values()) {
      for (const { ref, rows } of disk.store.tables.values()) {
        const held: ChunkRow[] = [...rows.values()];
        stored.push({ region: disk.id, groupId: ref.groupId, rows: held });
        for (const { row } of held) this.#rest(disk.id, 'store', row);
      }
    }
    const { feeds, outs, resting, acknowledged, progress, lags, watermarks, reads, relapses } = this;
    const { sightings } = this.#secrets;
    const endedMs = this.#scheduler.nowMs();
    return {
      ...{ feeds, outs, resting, acknowledged, progress, lags, watermarks, reads, relapses },
      ...{ stored, endedMs, sightings },
    };
  }

  #restBatch(
    region: string,
    place: 'OUT' | 'HELD',
    bytes: Uint8Array,
  ): Pick<OutAppend, 'envelope' | 'rows'> | undefined {
    const message = decodeLinkMessage(bytes);
    if (!message.ok) return undefined;
    const { envelope, body } = message.value;
    const decoded = body.length === 0 ? undefined : decodeLinkRows(body);
    const rows = decoded?.ok === true ? decoded.value : [];
    for (const { row } of rows) this.#rest(region, place, row);
    return { envelope, rows };
  }

  #rest(region: string, place: Resting['place'], bytes: Uint8Array): void {
    if (bytes.length > 0) this.resting.push({ region, place, bytes, atMs: this.#scheduler.nowMs() });
  }

  #noteRelapses({ id, store }: RegionDisk): void {
    for (const [name, { ref, rows }] of store.tables) {
      for (const [key, { row }] of rows) {
        const at = `${id} ${name} ${key}`;
        const greatest = this.#greatest.get(at);
        if (greatest?.bytes === row) continue;
        const parsed = naiveRow(row);
        if (greatest === undefined || naiveOrder(parsed, greatest) >= 0) this.#greatest.set(at, parsed);
        else this.relapses.push({ region: id, groupId: ref.groupId, greatest: greatest.bytes, row });
      }
    }
  }

  /** Written down where one moved; a store that lost one is seen as a move to 0. */
  #noteWatermarks({ id, store }: RegionDisk): void {
    for (const [name, to] of store.watermarks) {
      const from = this.#watermarks.get(`${id} ${name}`) ?? 0;
      if (from === to) continue;
      this.#watermarks.set(`${id} ${name}`, to);
      this.watermarks.push({ region: id, name, from, to });
    }
  }
}
