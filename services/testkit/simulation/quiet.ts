import type { LogFields, Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';

/** Receives what simulated processes log, for `--trace`. */
export type LogSink = (source: string, level: string, fields: LogFields, message: string) => void;

/** A logger that hands lines to a sink; without one it drops them. */
export function simulatedLogger(source: string, sink: LogSink | undefined): Logger {
  const at =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      sink?.(source, level, fields, message);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => simulatedLogger(source, sink),
  };
}

/** Metrics that nobody reads. */
export const NO_METRICS: Metrics = {
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
  forget: () => undefined,
  text: () => Promise.resolve(''),
  contentType: 'text/plain',
};
