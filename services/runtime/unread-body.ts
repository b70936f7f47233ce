import type { Readable } from 'node:stream';
import type { Timer } from './timer.ts';

/** Bytes that are read and forgotten for a client that sends too much; one that sends more may see its connection break. */
const MAX_FORGOTTEN_BYTES = 64 * 1024 * 1024;
/** Longest wait for them. */
const MAX_FORGETTING_MS = 2_000;

/**
 * Reads what a client still sends and forgets it, within bounds of bytes and time. A server that refuses a body and closes at once
 * breaks the connection under a client that is still writing, which then never reads why.
 */
export function forgetBody(body: Readable, timer: Timer): Promise<void> {
  if (body.readableEnded || body.destroyed) return Promise.resolve();
  const over = new AbortController();
  let bytes = 0;
  const count = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes <= MAX_FORGOTTEN_BYTES) return;
    body.pause();
    over.abort();
  };
  const end = (): void => over.abort();
  body.on('data', count).once('end', end).once('close', end).once('error', end);
  return timer.sleep(MAX_FORGETTING_MS, over.signal).then(() => {
    body.pause();
    body.off('data', count).off('end', end).off('close', end).off('error', end);
  });
}
