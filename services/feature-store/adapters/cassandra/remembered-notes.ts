import type { SyncReports } from '../../ports/registry.ts';
import { rowOf } from './registry-commits.ts';
import type { RegistryRow } from './registry-records.ts';

/** Confirmations and reports that are not in the registry yet. */
export interface Notes {
  readonly confirmedAtMs: Readonly<Record<string, number>>;
  readonly reports: SyncReports;
}

/**
 * What this process was told and the registry could not take yet. It counts here at once: a peer's confirmation stays true while the
 * registry is away. One per home and kind of report, so it is bounded.
 */
export class RememberedNotes {
  #confirmedAtMs: Readonly<Record<string, number>> = {};
  #reports: SyncReports = {};

  /** True where something is to be written. */
  get areWaiting(): boolean {
    return this.toWrite().rows.length > 0;
  }

  confirmed(home: string, atMs: number): void {
    this.#confirmedAtMs = { ...this.#confirmedAtMs, [home]: atMs };
  }

  reported(report: SyncReports): void {
    this.#reports = { ...this.#reports, ...report };
  }

  confirmedOver(stored: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    return { ...stored, ...this.#confirmedAtMs };
  }

  reportsOver(stored: SyncReports): SyncReports {
    return { ...stored, ...this.#reports };
  }

  /** What waits now, as rows; `forget` takes it back once they are written. */
  toWrite(): { readonly rows: readonly RegistryRow[]; readonly taken: Notes } {
    const taken = { confirmedAtMs: this.#confirmedAtMs, reports: this.#reports };
    const rows = [
      ...Object.entries(taken.confirmedAtMs).map(([name, atMs]) => rowOf('confirmed', name, atMs)),
      ...Object.entries(taken.reports).map(([name, report]) => rowOf('report', name, report)),
    ];
    return { rows, taken };
  }

  /** What came since `taken` stays. */
  forget({ confirmedAtMs, reports }: Notes): void {
    this.#confirmedAtMs = without(this.#confirmedAtMs, confirmedAtMs);
    this.#reports = without(this.#reports, reports);
  }
}

function without<T extends object>(all: T, written: T): T {
  const rest = Object.entries(all).filter(([name, value]) => written[name as keyof T] !== value);
  return Object.fromEntries(rest) as T;
}
