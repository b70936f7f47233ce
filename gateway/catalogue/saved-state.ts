import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { meshStateSchema } from '@featuremesh/contracts/mesh-state';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { z } from 'zod';

/** The value as a mesh state of `region`; undefined where it is none, so that a foreign or torn document is never routed by. */
export function parseMeshState(value: unknown, region: string): MeshState | undefined {
  const parsed = meshStateSchema.safeParse(value);
  return parsed.success && parsed.data.region === region ? parsed.data : undefined;
}

/** What was saved: a state and when the own region had last confirmed it, ms since the Unix epoch. */
export interface SavedState {
  readonly state: MeshState;
  readonly confirmedAtMs: number;
}

/** The last state that this gateway knew, in one file that is replaced whole; it lets the gateway start while its region service is down. */
export class SavedStateFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The saved state; undefined where there is none, or where it does not parse or belongs to another region. */
  load(region: string): SavedState | undefined {
    try {
      const saved: unknown = JSON.parse(readFileSync(this.#path, 'utf8'));
      const file = z.object({ state: z.unknown(), confirmedAtMs: z.number() }).safeParse(saved);
      if (!file.success) return undefined;
      const state = parseMeshState(file.data.state, region);
      return state === undefined ? undefined : { state, confirmedAtMs: file.data.confirmedAtMs };
    } catch {
      return undefined; // absent or torn: the poll brings the state
    }
  }

  /** Replaces the file; throws where the folder cannot be written. */
  save(saved: SavedState): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    const draft = `${this.#path}.${process.pid}.new`;
    writeFileSync(draft, JSON.stringify(saved), { mode: 0o600 });
    renameSync(draft, this.#path);
  }
}
