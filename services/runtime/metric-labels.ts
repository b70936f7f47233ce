import { ERRORS } from '@featuremesh/domain/error-catalogue';
import { MAX_STORE_TABLES } from '@featuremesh/domain/limits';

/** The values that a label may take: those listed, or any up to a number of them; what is beyond becomes `other`. */
export type LabelValues =
  | { readonly kind: 'one-of'; readonly values: readonly string[] }
  | { readonly kind: 'at-most'; readonly values: number };

interface LabelDefinition {
  readonly help: string;
  readonly values: LabelValues;
}

/** Regions of a mesh: the own one and the peers that a region.yaml may list. */
const MAX_REGIONS = 32;

/** Routes of one process, and statuses that it answers; both are fixed by its code. */
const MAX_ROUTES = 64;
const MAX_STATUSES = 32;

const oneOf = (help: string, ...values: string[]) => ({ help, values: { kind: 'one-of', values } }) as const;
const atMost = (values: number, help: string) => ({ help, values: { kind: 'at-most', values } }) as const;

/** Every label of every metric, with one meaning each. None is made from an entity key, a feature value or an address. */
export const METRIC_LABELS = {
  route: atMost(MAX_ROUTES, 'Template of the HTTP route, or `unknown`'),
  status: atMost(MAX_STATUSES, 'HTTP status'),
  group: atMost(MAX_STORE_TABLES, 'Opaque id of a feature group (`fmesh describe` tells its name)'),
  peer: atMost(MAX_REGIONS, 'Region at the other end of a link'),
  asked: atMost(MAX_REGIONS, 'Region that a gateway asks'),
  home: atMost(MAX_REGIONS, 'Home region of policies'),
  code: oneOf('Code of the error catalogue', ...Object.keys(ERRORS)),
  outcome: oneOf(
    '`complete`; `partial`: some rows or parts were refused or not answered; `refused`: the request was at fault, or policy; `failed`: the system was',
    'complete',
    'partial',
    'refused',
    'failed',
  ),
  kind: oneOf(
    'Of an operation: `http` by `POST /v1/online/read`, `online` and `catalogue` by GraphQL',
    'http',
    'online',
    'catalogue',
  ),
  direction: oneOf('`out` to the peer, `in` from it', 'out', 'in'),
  source: oneOf('Of rows: imported, or of a slot whose process is gone', 'imports', 'takeover'),
  reason: oneOf('Why a span was dropped', 'queue-full', 'export-failed'),
  database: oneOf('Environment of the embedded store', 'online', 'registry'),
} as const satisfies Record<string, LabelDefinition>;

/** Name of a label. */
export type LabelName = keyof typeof METRIC_LABELS;

/** What stands in place of a value that the label may not take. */
const OTHER = 'other';

/** Holds labels to their values, so that the number of time series is bounded whatever happens; one per process. */
export class LabelBounds {
  readonly #seen = new Map<string, Set<string>>();

  /** The value itself, or `other`. */
  permitted(name: LabelName, value: string): string {
    let seen = this.#seen.get(name);
    if (seen === undefined) {
      const { values } = METRIC_LABELS[name];
      seen = new Set(values.kind === 'one-of' ? values.values : []);
      this.#seen.set(name, seen);
    }
    if (seen.has(value)) return value;
    const { values } = METRIC_LABELS[name];
    if (values.kind === 'one-of' || seen.size >= values.values) return OTHER;
    seen.add(value);
    return value;
  }
}
