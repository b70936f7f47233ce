import type { CanaryMedium } from './canary-medium.ts';
import { isPlacedIn, type Needle } from './needle.ts';

/** A connection between regions as its tap sees it. */
export interface TappedPath {
  /** The region whose process connected. */
  readonly from: string;
  readonly to: string;
  /** `link`: brokers; `http`: a gateway and a region's service. */
  readonly service: 'link' | 'http';
}

type Way = 'there' | 'back';

/** More than a test sends; beyond it the tap refuses to go on, since an unseen byte proves nothing. */
const MAX_TAPPED_BYTES = 1024 ** 3;

/** Keeps every byte that regions send each other, by connection and direction, as sent: before anything encrypts it. */
export class LinkTap {
  readonly #streams = new Map<
    string,
    { path: TappedPath; way: Way; connection: number; chunks: Uint8Array[] }
  >();
  #bytes = 0;

  /** Takes bytes; `connection` tells connections of one path apart, whose bytes come interleaved. */
  readonly take = (path: TappedPath, way: Way, chunk: Uint8Array, connection: number): void => {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_TAPPED_BYTES) throw new RangeError('more bytes on links than a tap keeps');
    const name = `${path.service} ${path.from} ${path.to} ${way} ${connection}`;
    const stream = this.#streams.get(name) ?? { path, way, connection, chunks: [] };
    stream.chunks.push(chunk);
    this.#streams.set(name, stream);
  };

  /** One medium per path and direction seen by now, of the region that sent the bytes. */
  media(): readonly CanaryMedium[] {
    const names = new Map<string, { path: TappedPath; way: Way }>();
    for (const { path, way } of this.#streams.values())
      names.set(`${path.service} ${path.from} ${path.to} ${way}`, { path, way });
    return [...names.values()].map(({ path, way }) => this.#medium(path, way));
  }

  #medium(path: TappedPath, way: Way): CanaryMedium {
    const { from, to, service } = path;
    const [sender, receiver] = way === 'there' ? [from, to] : [to, from];
    const streams = this.#streams;
    return {
      name: `${service} ${from} to ${to}, ${way === 'there' ? 'requests' : 'answers'}`,
      region: sender,
      permits: needle =>
        service === 'link'
          ? isPlacedIn(needle, sender) && isPlacedIn(needle, receiver)
          : mayAsk(needle, { gateway: from, holder: to }),
      // Compressed leafnode traffic would hide everything: its frames are then met nowhere.
      control: service === 'link' ? 'LMSG ' : 'HTTP/1.1',
      async *scan() {
        for (const stream of streams.values()) {
          if (stream.way !== way || !isSame(stream.path, path)) continue;
          yield { where: `connection ${stream.connection}`, bytes: Buffer.concat(stream.chunks) };
        }
      },
    };
  }
}

/** A key goes out and a value comes back only between a gateway of the gateway set and a region that holds the row. */
function mayAsk(needle: Needle, ends: { readonly gateway: string; readonly holder: string }): boolean {
  return needle.gateways.includes(ends.gateway) && isPlacedIn(needle, ends.holder);
}

function isSame(one: TappedPath, other: TappedPath): boolean {
  return one.from === other.from && one.to === other.to && one.service === other.service;
}
