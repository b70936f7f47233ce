import { request } from 'undici';
import { startEcho } from './echo.ts';
import { type LoadRequest, type LoadShape, loadHttp } from './http-load.ts';

/** Part of a measurement that is thrown away: code is compiled and caches are filled in it. */
const WARM_UP_SHARE = 0.3;
const MAX_SHOWN_CHARS = 300;

/** Sends one request and returns the answer's text. Throws where it is no 2xx or `accepts` does not like it: nothing is measured then. */
export async function probe(
  baseUrl: string,
  { path, body, contentType }: LoadRequest,
  accepts: (answer: string) => boolean,
): Promise<string> {
  const response = await request(`${baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
  });
  const text = await response.body.text();
  if (response.statusCode < 300 && accepts(text)) return text;
  throw new Error(
    `${path} answered ${response.statusCode}, not what is measured: ${text.slice(0, MAX_SHOWN_CHARS)}`,
  );
}

/** Measures requests, then the same requests against the bare server that answers as much, in the same way. */
export async function measureBesideEcho(
  baseUrl: string,
  requests: readonly LoadRequest[],
  options: { readonly shape: LoadShape; readonly seconds: number; readonly answer: string },
): Promise<{ values: Record<string, number>; echo: Record<string, number> }> {
  const { shape, seconds, answer } = options;
  const warmUp = { shape, seconds: Math.max(1, Math.round(seconds * WARM_UP_SHARE)) };
  await loadHttp(baseUrl, requests, warmUp);
  const values = await loadHttp(baseUrl, requests, { shape, seconds });
  const echo = await startEcho();
  try {
    await echo.answerWith(answer);
    await loadHttp(echo.url, requests, warmUp);
    return { values, echo: await loadHttp(echo.url, requests, { shape, seconds }) };
  } finally {
    await echo.close();
  }
}
