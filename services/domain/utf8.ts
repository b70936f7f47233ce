const encoder = new TextEncoder();
// Without ignoreBOM a leading U+FEFF would vanish from the value.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Up to here a loop over char codes beats the call into the decoder. */
const SHORT_BYTES = 24;

/** Writes `text` at `at` where it is ASCII and fits before `limit`; returns the end, else −1, and the bytes written by then are void. */
export function writeAscii(text: string, target: Uint8Array, at: number, limit: number): number {
  const length = text.length;
  if (at + length > limit) return -1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return -1;
    target[at + i] = code;
  }
  return at + length;
}

/**
 * Writes `text` as UTF-8 at `at`, never beyond `limit`; returns the end, or −1 where it does not fit.
 * The text must be well-formed (`isWellFormed`), since lone surrogates have no UTF-8.
 */
export function writeUtf8(text: string, target: Uint8Array, at: number, limit: number): number {
  const length = text.length;
  if (at + length > limit) return -1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) {
      const rest = i === 0 ? text : text.slice(i);
      const { read, written } = encoder.encodeInto(rest, target.subarray(at + i, limit));
      return read === rest.length ? at + i + written : -1;
    }
    target[at + i] = code;
  }
  return at + length;
}

/** The text of the UTF-8 bytes `[from, to)`. */
export function readUtf8(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > SHORT_BYTES) return decoder.decode(bytes.subarray(from, to));
  let text = '';
  let at = from;
  // Four at a time: each call and each concatenation costs more than the bytes.
  for (; at + 4 <= to; at += 4) {
    const [a, b, c, d] = [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0];
    if ((a | b | c | d) >= 0x80) return decoder.decode(bytes.subarray(from, to));
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < to; at++) {
    const code = bytes[at] ?? 0;
    if (code >= 0x80) return decoder.decode(bytes.subarray(from, to));
    text += String.fromCharCode(code);
  }
  return text;
}
