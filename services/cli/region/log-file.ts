import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@featuremesh/runtime/clock';

/** Size at which a log is rotated: one screenful of trouble for an editor, days of normal operation. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** Rotated files kept beside the current one. */
const MAX_ROTATED = 3;
/** A line longer than this is cut: a child that writes without line ends must not fill memory. */
const MAX_LINE_CHARACTERS = 64 * 1024;

/**
 * A child's log: JSON lines, bounded by rotation (`x.log`, `x.log.1` …). Lines that are not JSON (a stack trace, the
 * broker's own format) are wrapped as `{time, component, text}`.
 */
export class LogFile {
  readonly #path: string;
  readonly #component: string;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  #descriptor: number;
  #bytes: number;
  #partial = '';
  #closed = false;

  constructor(path: string, component: string, clock: Clock, maxBytes = MAX_LOG_BYTES) {
    mkdirSync(dirname(path), { recursive: true });
    this.#path = path;
    this.#component = component;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#descriptor = openSync(path, 'a');
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  /** Takes output as it comes; whole lines are written, the rest waits for its end. */
  write(text: string): void {
    if (this.#closed) return;
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    if (this.#partial.length > MAX_LINE_CHARACTERS) {
      lines.push(this.#partial);
      this.#partial = '';
    }
    for (const line of lines) if (line.trim() !== '') this.#append(line.slice(0, MAX_LINE_CHARACTERS));
  }

  /** Writes one line of the supervisor's own. */
  note(text: string): void {
    if (!this.#closed) this.#append(this.#wrap('supervisor', text));
  }

  /** Writes what is left and lets go of the file; output that a dying child still sends is dropped. */
  close(): void {
    if (this.#closed) return;
    if (this.#partial.trim() !== '') this.#append(this.#partial);
    this.#partial = '';
    this.#closed = true;
    closeSync(this.#descriptor);
  }

  #append(line: string): void {
    const json = line.startsWith('{') && line.endsWith('}');
    const whole = json ? line : this.#wrap(this.#component, line);
    const bytes = Buffer.from(`${whole}\n`);
    if (this.#bytes + bytes.length > this.#maxBytes) this.#rotate();
    writeSync(this.#descriptor, bytes);
    this.#bytes += bytes.length;
  }

  #wrap(component: string, text: string): string {
    return JSON.stringify({ time: new Date(this.#clock.nowMs()).toISOString(), component, text });
  }

  #rotate(): void {
    closeSync(this.#descriptor);
    for (let number = MAX_ROTATED - 1; number >= 1; number -= 1)
      moveIfThere(`${this.#path}.${number}`, `${this.#path}.${number + 1}`);
    moveIfThere(this.#path, `${this.#path}.1`);
    this.#descriptor = openSync(this.#path, 'a');
    this.#bytes = 0;
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // Nothing rotated that far yet.
  }
}
