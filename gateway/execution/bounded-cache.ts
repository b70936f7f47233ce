/** A map of at most `max` entries; when it is full the oldest goes, because planned operations repeat and strangers do not. */
export class BoundedCache<T> {
  readonly #entries = new Map<string, T>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** The entry of `key`, made where there is none. */
  get(key: string, make: (key: string) => T): T {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const made = make(key);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= this.#max && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, made);
    return made;
  }

  /** Entries held now. */
  get size(): number {
    return this.#entries.size;
  }
}
