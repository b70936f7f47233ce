import { ERRORS } from '@featuremesh/domain/error-catalogue';

const DETAILS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'the headers are larger than this server takes',
  ERR_HTTP_REQUEST_TIMEOUT: 'the request did not arrive in time',
};

/**
 * A whole HTTP/1.1 answer to bytes that are no request, given the parser's error code: a problem INVALID_REQUEST in the shape of every
 * other error, after which the connection closes.
 */
export function malformedRequestAnswer(parserCode: string | undefined): string {
  const code = 'INVALID_REQUEST';
  const { title, http, retryable } = ERRORS[code];
  const detail = DETAILS[parserCode ?? ''] ?? 'the request is not valid HTTP';
  const type = `urn:featuremesh:problem:${code}`;
  const body = JSON.stringify({ type, title, status: http, code, detail, retryable });
  return [
    `HTTP/1.1 ${http} Bad Request`,
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
