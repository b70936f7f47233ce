import { writeAnswerSchema } from '@featuremesh/contracts/http-rows';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import type { RawAnswer } from './raw-http.ts';

/** What an answer is judged by. */
export interface AnswerRules {
  /** Texts that no answer may hold: ports, folders, keys of rows. */
  readonly secrets: readonly string[];
  /** Codes of 5xx answers that this server may give to some request; every other 5xx is a fault. */
  readonly mayFail: ReadonlySet<ErrorCode>;
}

/** Addresses, paths of files and stack traces, in any spelling that a leak would have. */
const LEAKS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['an IPv4 address', /\b\d{1,3}(?:\.\d{1,3}){3}\b/],
  ['a local address', /localhost|\[::1?\]|\b::1\b/],
  [
    'a path of a file',
    /node_modules|file:\/\/|\.[cm]?[jt]s:\d|(?:^|[\s"'(])\/(?:home|tmp|usr|opt|srv|var|root|work)\//,
  ],
  ['a stack trace', /\n\s+at |\bat \S+ \(|node:internal|stacktrace/i],
  ['an error of the system', /\bE(?:CONN|NOENT|PIPE|ACCES|ADDR|HOST|TIMEDOUT|INVAL)[A-Z]*\b/],
];

/** Everything that is wrong with an answer; empty where it keeps the contract. */
export function answerFaults(
  answer: RawAnswer,
  { method, path }: { readonly method: string; readonly path: string },
  rules: AnswerRules,
): readonly string[] {
  const whole = `${answer.head}\n${answer.body}`;
  const leaks = LEAKS.filter(([, pattern]) => pattern.test(whole)).map(([what]) => `shows ${what}`);
  const told = rules.secrets.filter(secret => whole.includes(secret)).map(secret => `tells ${secret}`);
  if (method === 'HEAD') return [...leaks, ...told];
  const graphql = /^\/graphql(?:[?#]|$)/.test(path);
  return [...leaks, ...told, ...(graphql ? graphqlFaults(answer, rules) : problemFaults(answer, rules))];
}

function problemFaults({ status, headers, body }: RawAnswer, { mayFail }: AnswerRules): readonly string[] {
  if (status < 400) return status >= 200 && status < 300 ? [] : [`has status ${status}`];
  const value = parsed(body);
  if (status === 422 && writeAnswerSchema.safeParse(value).success) return [];
  const type = headers.get('content-type') ?? 'none';
  if (!type.startsWith('application/problem+json')) return [`is no problem but ${status} of type ${type}`];
  const { code, title, detail, retryable, status: stated } = members(value);
  if (!isCode(code)) return [`has the code ${String(code)}`];
  const entry = ERRORS[code];
  return [
    ...(entry.http === status && stated === status
      ? []
      : [`${code} comes with ${status} and ${String(stated)}`]),
    ...(entry.retryable === retryable && entry.title === title ? [] : [`${code} is told other than listed`]),
    ...(entry.retryable === headers.has('retry-after') ? [] : [`${code} does not say when to try again`]),
    ...(typeof detail === 'string' && detail !== '' ? [] : ['has no detail']),
    ...(status < 500 || mayFail.has(code) ? [] : [`is a failure: ${code}`]),
  ];
}

function graphqlFaults({ status, body }: RawAnswer, { mayFail }: AnswerRules): readonly string[] {
  const value = members(parsed(body));
  if (isCode(value['code'])) return ERRORS[value['code']].http === status ? [] : ['has another status'];
  const errors: readonly unknown[] = Array.isArray(value['errors']) ? value['errors'] : [];
  if (errors.length === 0)
    return status === 200 && 'data' in value ? [] : [`has status ${status} without errors`];
  return errors.flatMap(error => {
    const { message, extensions } = members(error);
    const { code } = members(extensions);
    if (!isCode(code)) return [`has an error with the code ${String(code)}`];
    if (ERRORS[code].http >= 500 && !mayFail.has(code)) return [`is a failure: ${code}`];
    return typeof message === 'string' && message !== '' ? [] : ['has an error without a message'];
  });
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
