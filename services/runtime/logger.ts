import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino';

/** Values beside a message. Never an entity key, a feature value of a subject, or a secret. Errors go under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging: fields first, then a short constant message. Log once, where an outcome is handled. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds `context` to every line. */
  child(context: LogFields): Logger;
}

/** Environment variable that sets the level; default `info`. */
const LOG_LEVEL_VARIABLE = 'FEATUREMESH_LOG_LEVEL';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** A level as written in the environment. */
export type LogLevel = (typeof LEVELS)[number];

/** The level that the environment asks for. Throws a ProblemError INVALID_CONFIG for a word that is none. */
export function logLevel(environment: Readonly<Record<string, string | undefined>>): LogLevel {
  const asked = environment[LOG_LEVEL_VARIABLE];
  if (asked === undefined || asked === '') return 'info';
  const level = LEVELS.find(name => name === asked);
  if (level !== undefined) return level;
  throw new ProblemError(
    problem('INVALID_CONFIG', `${LOG_LEVEL_VARIABLE} must be one of ${LEVELS.join(', ')}`),
  );
}

/**
 * A logger that writes one JSON object per line to standard error, synchronously, so that nothing is lost when the process ends.
 * `context` (region, process, slot) stands on every line.
 */
export function createLogger(
  context: LogFields,
  options: { readonly level?: LogLevel; readonly stream?: DestinationStream } = {},
): Logger {
  const stream = options.stream ?? destination({ fd: 2, sync: true });
  const settings = {
    level: options.level ?? logLevel(process.env),
    base: context,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(settings, stream);
}
