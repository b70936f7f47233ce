const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = '='.charCodeAt(0);
const NOT_BASE64 = 64;

const TO_CODE = Uint8Array.from(ALPHABET, char => char.charCodeAt(0));
const FROM_CODE = new Uint8Array(128).fill(NOT_BASE64);
for (let i = 0; i < ALPHABET.length; i++) FROM_CODE[ALPHABET.charCodeAt(i)] = i;

const latin1 = new TextDecoder('latin1');

/** Standard base64 with padding (RFC 4648 §4) of `bytes[from, to)`. */
export function encodeBase64(bytes: Uint8Array, from = 0, to = bytes.length): string {
  const length = to - from;
  const out = new Uint8Array(Math.ceil(length / 3) * 4);
  let at = 0;
  for (let i = from; i < to; i += 3) {
    const left = to - i;
    const word =
      ((bytes[i] ?? 0) << 16) |
      (left > 1 ? (bytes[i + 1] ?? 0) << 8 : 0) |
      (left > 2 ? (bytes[i + 2] ?? 0) : 0);
    out[at] = TO_CODE[word >> 18] ?? 0;
    out[at + 1] = TO_CODE[(word >> 12) & 63] ?? 0;
    out[at + 2] = left > 1 ? (TO_CODE[(word >> 6) & 63] ?? 0) : PAD;
    out[at + 3] = left > 2 ? (TO_CODE[word & 63] ?? 0) : PAD;
    at += 4;
  }
  return latin1.decode(out);
}

/** Bytes of standard base64 with padding; undefined where the text is not exactly the encoding of some bytes. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  const digits = text.length - padding;
  let word = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const digit = FROM_CODE[text.charCodeAt(i)] ?? NOT_BASE64;
    if (digit === NOT_BASE64) return undefined;
    word = ((word << 6) | digit) & 0xffffff;
    const step = i & 3;
    if (step === 1) out[at++] = word >> 4;
    else if (step === 2) out[at++] = word >> 2;
    else if (step === 3) out[at++] = word;
  }
  // Bits that no byte takes must be zero, or two texts would stand for the same bytes.
  const spare = padding === 2 ? word & 15 : padding === 1 ? word & 3 : 0;
  return spare === 0 ? out : undefined;
}
