/** A metric: what it counts, its unit in its name, and its labels. Labels are never entity keys and have few values. */
export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const LATENCY_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const BATCH_ROWS = [1, 2, 5, 10, 20, 50, 100, 200, 512];

const counter = <const L extends string>(help: string, ...labels: L[]) =>
  ({ kind: 'counter', help, labels }) as const;
const gauge = <const L extends string>(help: string, ...labels: L[]) =>
  ({ kind: 'gauge', help, labels }) as const;
const histogram = <const L extends string>(help: string, buckets: readonly number[], ...labels: L[]) =>
  ({ kind: 'histogram', help, labels, buckets }) as const;

/** Every metric of the product, by the name that Prometheus sees. `group` is a group's opaque id. */
export const METRICS = {
  featuremesh_http_requests_total: counter('HTTP requests answered', 'route', 'status'),
  featuremesh_http_request_seconds: histogram('Time from request to answer', LATENCY_SECONDS, 'route'),
  // writes
  featuremesh_rows_accepted_total: counter('Rows acknowledged', 'group'),
  featuremesh_rows_rejected_total: counter('Rows refused, by error code', 'group', 'code'),
  featuremesh_writes_refused_total: counter('Write requests refused as a whole', 'code'),
  featuremesh_feed_append_seconds: histogram('Time of one synced append to the log', LATENCY_SECONDS),
  featuremesh_chunk_rows: histogram('Rows per appended chunk', BATCH_ROWS),
  featuremesh_chunks_in_flight: gauge('Chunks appended and not yet applied'),
  featuremesh_apply_seconds: histogram('Time of one step of the online store', LATENCY_SECONDS),
  featuremesh_rows_older_total: counter('Applied rows that lost to a newer stored row', 'group'),
  featuremesh_idempotency_entries: gauge('Remembered idempotency keys'),
  // projector
  featuremesh_projector_active: gauge('1 where this process holds the projector lease'),
  featuremesh_projector_pending_chunks: gauge(
    'Chunks in the log that the projector has not applied',
    'source',
  ),
  featuremesh_projected_rows_total: counter('Rows that the projector applied', 'source'),
  // reads
  featuremesh_reads_total: counter('Online reads answered', 'kind'),
  featuremesh_read_seconds: histogram('Time of one online read', LATENCY_SECONDS, 'kind'),
  featuremesh_read_rows_total: counter('Distinct rows looked up', 'group'),
  featuremesh_read_values_total: counter('Values answered, by status', 'group', 'status'),
  featuremesh_read_problems_total: counter('Parts of reads not answered, by error code', 'code'),
  // registry
  featuremesh_mesh_state_revision: gauge('Revision of the mesh state known here'),
  featuremesh_store_tables: gauge('Tables of the online store'),
  // links
  featuremesh_link_connected: gauge('1 where the peer answers', 'peer', 'direction'),
  featuremesh_link_seq: gauge('Last link_seq published or applied', 'peer', 'direction'),
  featuremesh_link_pending_batches: gauge('Batches on their way', 'peer', 'direction'),
  featuremesh_link_lag_seconds: gauge(
    'How far the rows of a peer may be behind; NaN where not known',
    'peer',
  ),
  featuremesh_link_rows_total: counter('Rows shipped or imported', 'peer', 'direction', 'group'),
  featuremesh_link_bytes_total: counter('Bytes of batches published or received', 'peer', 'direction'),
  featuremesh_link_gaps_total: counter('Gaps or broken chains found', 'peer'),
  featuremesh_link_snapshots_total: counter('Snapshots asked for or sent', 'peer', 'direction'),
  featuremesh_link_refused_batches_total: counter('Batches refused by policy', 'peer', 'direction'),
  featuremesh_link_held_batches: gauge('Imported batches set aside', 'peer', 'reason'),
  // gateway
  featuremesh_gateway_operations_total: counter('GraphQL operations answered', 'kind', 'outcome'),
  featuremesh_gateway_operation_seconds: histogram('Time of one GraphQL operation', LATENCY_SECONDS, 'kind'),
  featuremesh_gateway_region_seconds: histogram('Time of one request of a region', LATENCY_SECONDS, 'region'),
  featuremesh_gateway_region_failures_total: counter('Requests of a region that failed', 'region', 'code'),
  featuremesh_gateway_redirects_total: counter('Reads redirected to another gateway'),
} as const satisfies Record<string, MetricDefinition>;

/** Name of a metric. */
export type MetricName = keyof typeof METRICS;

/** Names of the metrics of one kind. */
export type MetricNameOf<K extends MetricDefinition['kind']> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[MetricName];

/** The labels of a metric, all of them given. */
export type MetricLabels<N extends MetricName> = Readonly<
  Record<(typeof METRICS)[N]['labels'][number], string>
>;
