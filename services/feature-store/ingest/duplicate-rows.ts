import { createHash } from 'node:crypto';

/** Keys up to here are remembered as they are; longer ones by their SHA-256. */
const PLAIN_KEY_BYTES = 48;

/** Finds rows of one request that have the same key, event time and created time, over a sliding window of rows. */
export class DuplicateRows {
  readonly #windowRows: number;
  #recent = new Set<string>();
  #older = new Set<string>();

  constructor(windowRows: number) {
    this.#windowRows = windowRows;
  }

  /** True where such a row was added before; adds it otherwise. A created time that was not given equals only another one not given. */
  seen(key: Uint8Array, eventTimeUs: number | bigint, createdTimeUs: number | bigint | undefined): boolean {
    const signature = `${eventTimeUs}/${createdTimeUs ?? ''}/${keyText(key)}`;
    if (this.#recent.has(signature) || this.#older.has(signature)) return true;
    if (this.#recent.size >= this.#windowRows) {
      this.#older = this.#recent;
      this.#recent = new Set();
    }
    this.#recent.add(signature);
    return false;
  }
}

function keyText(key: Uint8Array): string {
  if (key.length > PLAIN_KEY_BYTES) return `#${createHash('sha256').update(key).digest('base64')}`;
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
