import type { Sighting } from '../checkers/evidence.ts';
import type { SimulatedMesh } from '../simulation/simulated-mesh.ts';

/** Looks for words wherever a region might come to know them; of a registry every change is noted, of the rest what was found. */
export class SightingLog {
  readonly sightings: Sighting[] = [];
  readonly #words: readonly string[];
  readonly #last = new Map<string, boolean>();

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Follows every registry, held reports and audit record included, and every CTL. */
  watch(mesh: SimulatedMesh): void {
    for (const { disk } of mesh.regions.values()) {
      let lastImage: unknown;
      let audited = '';
      const look = (): void => {
        const { image, reports, audits } = disk.registry;
        // Most changes only confirm that nothing changed.
        if (image.entries === lastImage) return;
        lastImage = image.entries;
        // What was ever written into the record of changes stays there.
        audited += this.#words.filter(word => JSON.stringify(audits.at(-1) ?? '').includes(word)).join(' ');
        const text = JSON.stringify([...image.entries.values(), reports]);
        this.#look(disk.id, 'registry', `${text} ${audited}`);
      };
      disk.registry.changed.add(look);
      look();
    }
    for (const { to, control } of mesh.links())
      control.onAppend(({ data }) => this.#look(to, 'CTL', JSON.stringify(data)));
  }

  /** A line of a region's log. */
  line(region: string, text: string): void {
    this.#look(region, 'log line', text);
  }

  #look(region: string, place: Sighting['place'], text: string): void {
    for (const word of this.#words) {
      const seen = text.includes(word);
      const key = `${region} ${place} ${word}`;
      if (this.#last.get(key) === seen || (place !== 'registry' && !seen)) continue;
      this.#last.set(key, seen);
      this.sightings.push({ region, place, word, seen });
    }
  }
}
