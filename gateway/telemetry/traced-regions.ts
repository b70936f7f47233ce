import type { Tracing } from '@featuremesh/runtime/tracing';
import type { AsksRegions } from '../execution/matrix-reader.ts';
import type { SignAsk } from '../execution/region-asker.ts';

/** Asks regions, each time in a span of the client's request. */
export function tracedAsker(asker: AsksRegions, tracing: Tracing): AsksRegions {
  return {
    ask: ask =>
      tracing.inside(
        'gateway.ask',
        { 'featuremesh.region': ask.region, 'featuremesh.parts': ask.representations.length },
        () => asker.ask(ask),
      ),
  };
}

/** Signs as `sign` does, and adds the current trace. */
export function tracedSign(sign: SignAsk, tracing: Tracing): SignAsk {
  return ask => withTrace(sign(ask), tracing);
}

/** Adds the current trace to what a region is sent, also where it is not sampled, so that the decision stands for the whole trace. */
export function withTrace(
  headers: Readonly<Record<string, string>>,
  tracing: Tracing | undefined,
): Readonly<Record<string, string>> {
  const traceparent = tracing?.traceparent();
  return traceparent === undefined ? headers : { ...headers, traceparent };
}
