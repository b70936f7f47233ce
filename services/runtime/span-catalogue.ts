import { ERRORS } from '@featuremesh/domain/error-catalogue';

/** Every span of the product: what part of a trace it is, and what it measures. Nothing else is ever recorded. */
export const SPANS = {
  'gateway.request': { kind: 'server', help: 'A read as the gateway answers it, by HTTP or GraphQL' },
  'gateway.ask': { kind: 'client', help: 'One request that a gateway makes of one region' },
  'service.request': { kind: 'server', help: 'A read or write as a region service answers it' },
  'store.read': { kind: 'internal', help: 'Looking up the rows of one group in the online store' },
  'log.commit': {
    kind: 'internal',
    help: 'One message of the log with the rows of one or more requests: appended, then applied',
  },
  'log.append': { kind: 'producer', help: 'Appending a message to FEED, synced to disk' },
  'store.apply': { kind: 'internal', help: 'Applying the rows of a message to the online store' },
  'link.export': {
    kind: 'producer',
    help: 'One batch of rows on its way into OUT; linked to the writes in it',
  },
  'link.import': { kind: 'consumer', help: 'One batch as the peer judges it and appends it to its own FEED' },
  'projector.apply': { kind: 'consumer', help: 'An imported message as it becomes readable in the peer' },
} as const satisfies Record<string, { readonly kind: SpanKindName; readonly help: string }>;

type SpanKindName = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

/** Name of a span. */
export type SpanName = keyof typeof SPANS;

/** Routes whose requests are traced; each holds the names of its parameters, never their values. */
export const TRACED_ROUTES: readonly string[] = [
  '/v1/online/read',
  '/internal/v1/online/read',
  '/graphql',
  '/v1/groups/:group/rows',
  '/v1/groups/:home/:group/rows',
];

/** What an attribute may hold. Everything else is left out, so that no text of a request can become telemetry. */
export type AttributeValues =
  | { readonly kind: 'one-of'; readonly values: readonly string[] }
  | { readonly kind: 'count' }
  /** Sixteen random characters that a home region drew: says nothing of rows or keys. */
  | { readonly kind: 'group-id' }
  /** One of the regions that the process was configured with. */
  | { readonly kind: 'region' };

interface AttributeDefinition {
  readonly help: string;
  readonly values: AttributeValues;
}

const count = (help: string) => ({ help, values: { kind: 'count' } }) as const;
const oneOf = (help: string, values: readonly string[]) =>
  ({ help, values: { kind: 'one-of', values } }) as const;

/** The one list of what a span may say. No attribute is made from an entity key, a feature value, a header, an address or an error's text. */
export const SPAN_ATTRIBUTES = {
  'http.request.method': oneOf('Method of the request', ['GET', 'POST']),
  'http.route': oneOf('Template of the route', TRACED_ROUTES),
  'http.response.status_code': count('Status of the answer'),
  'featuremesh.group': { help: 'Opaque id of the feature group', values: { kind: 'group-id' } },
  'featuremesh.version': count('Version of the feature group'),
  'featuremesh.region': { help: 'Region that is asked', values: { kind: 'region' } },
  'featuremesh.peer': { help: 'Region at the other end of the link', values: { kind: 'region' } },
  'featuremesh.rows': count('Rows looked up, appended, shipped or applied'),
  'featuremesh.parts': count('Parts of a read that one region is asked for'),
  'featuremesh.chunks': count('Messages of the log in a batch'),
  'featuremesh.requests': count('Requests whose rows share a message'),
  'featuremesh.links_left_out': count('Traces that a span could not be linked to, for their number'),
  'error.type': oneOf('Code of the error catalogue, or the status of an HTTP answer', [
    ...Object.keys(ERRORS),
    ...['500', '501', '502', '503', '504'],
  ]),
} as const satisfies Record<string, AttributeDefinition>;

/** Name of an attribute. */
export type SpanAttributeName = keyof typeof SPAN_ATTRIBUTES;

/** Attributes as instrumentation gives them; numbers where the list says count. */
export type SpanAttributes = {
  readonly [N in SpanAttributeName]?: (typeof SPAN_ATTRIBUTES)[N]['values'] extends { kind: 'count' }
    ? number
    : string;
};

const GROUP_ID = /^[a-z2-7]{16}$/;

/** What of `attributes` the list permits; anything else is left out, whatever the types said. */
export function permittedAttributes(
  attributes: Readonly<Record<string, unknown>>,
  regions: ReadonlySet<string>,
): Record<string, string | number> {
  const permitted: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(attributes)) {
    const definition: AttributeDefinition | undefined = Object.hasOwn(SPAN_ATTRIBUTES, name)
      ? SPAN_ATTRIBUTES[name as SpanAttributeName]
      : undefined;
    if (definition === undefined) continue;
    const kept = permittedValue(definition.values, value, regions);
    if (kept !== undefined) permitted[name] = kept;
  }
  return permitted;
}

function permittedValue(
  values: AttributeValues,
  value: unknown,
  regions: ReadonlySet<string>,
): string | number | undefined {
  if (values.kind === 'count')
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  switch (values.kind) {
    case 'one-of':
      return values.values.includes(value) ? value : undefined;
    case 'group-id':
      return GROUP_ID.test(value) ? value : undefined;
    case 'region':
      return regions.has(value) ? value : undefined;
  }
}
