import { type SpanName, TRACED_ROUTES } from './span-catalogue.ts';
import type { TraceSpan, Tracing } from './tracing.ts';

interface Request {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly routeOptions: { readonly url?: string | undefined };
}

interface Reply {
  readonly statusCode: number;
}

type Hook = (request: Request, reply: Reply, done: () => void) => void;

/** Hooks of an HTTP server by which each traced request has a span, current in its handler; register them only where tracing is on. */
export function requestSpans(
  tracing: Tracing,
  name: SpanName,
): { readonly onRequest: Hook; readonly preHandler: Hook; readonly onResponse: Hook } {
  const spans = new WeakMap<Request, TraceSpan>();
  return {
    onRequest: (request, _, done) => {
      const route = request.routeOptions.url ?? '';
      if (!TRACED_ROUTES.includes(route)) return done();
      const span = tracing.begin(name, request.headers['traceparent'], {
        'http.request.method': request.method,
        'http.route': route,
      });
      spans.set(request, span);
      return tracing.run(span, done);
    },
    // Reading the body goes through events of the socket, which know nothing of the request that they belong to.
    preHandler: (request, _, done) => {
      const span = spans.get(request);
      return span === undefined ? done() : tracing.run(span, done);
    },
    onResponse: (request, { statusCode }, done) => {
      const span = spans.get(request);
      span?.set({ 'http.response.status_code': statusCode });
      span?.end(statusCode >= 500 ? String(statusCode) : undefined);
      done();
    },
  };
}
