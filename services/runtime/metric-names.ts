import type { LabelName } from './metric-labels.ts';

/** What a metric's value counts. */
type MetricUnit = 'seconds' | 'bytes' | 'rows' | 'messages' | 'yes or no' | 'number';

/** The processes of a region that are measured. */
const MEASURED_PROCESSES = ['service', 'sync', 'gateway'] as const;

/** One of the processes. */
export type MeasuredProcess = (typeof MEASURED_PROCESSES)[number];

/** A metric: what it says, its unit, its labels (`metric-labels`), and the processes that expose it, from their start on. */
export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly unit: MetricUnit;
  readonly labels: readonly LabelName[];
  readonly processes: readonly MeasuredProcess[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const LATENCY_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const CHUNK_ROWS = [1, 2, 5, 10, 20, 50, 100, 200, 512];
const FAN_OUT = [0, 1, 2, 3, 5, 8, 16, 32];

type Where = readonly MeasuredProcess[];

const counter = <const P extends Where, const L extends readonly LabelName[]>(
  processes: P,
  unit: MetricUnit,
  help: string,
  ...labels: L
) => ({ kind: 'counter', processes, unit, help, labels }) as const;
const gauge = <const P extends Where, const L extends readonly LabelName[]>(
  processes: P,
  unit: MetricUnit,
  help: string,
  ...labels: L
) => ({ kind: 'gauge', processes, unit, help, labels }) as const;
const seconds = <const P extends Where, const L extends readonly LabelName[]>(
  processes: P,
  help: string,
  ...labels: L
) => ({ kind: 'histogram', processes, unit: 'seconds', help, labels, buckets: LATENCY_SECONDS }) as const;

const SERVICE = ['service'] as const;
const SYNC = ['sync'] as const;
const GATEWAY = ['gateway'] as const;
const EVERY = MEASURED_PROCESSES;

/** Every metric of the product, by the name that Prometheus sees: the one file that names them. METRICS.md is generated from it. */
export const METRICS = {
  // requests
  featuremesh_http_requests_total: counter(SERVICE, 'number', 'HTTP requests answered', 'route', 'status'),
  featuremesh_http_request_seconds: seconds(
    SERVICE,
    'Time from request to answer, writes included',
    'route',
    'outcome',
  ),
  // writes
  featuremesh_rows_accepted_total: counter(SERVICE, 'rows', 'Rows acknowledged', 'group'),
  featuremesh_rows_rejected_total: counter(SERVICE, 'rows', 'Rows refused', 'group', 'code'),
  featuremesh_rows_pending_total: counter(
    SERVICE,
    'rows',
    'Rows acknowledged as PENDING: in the log, not yet readable',
    'group',
  ),
  featuremesh_writes_refused_total: counter(SERVICE, 'number', 'Write requests refused as a whole', 'code'),
  featuremesh_own_writes_behind: gauge(
    SERVICE,
    'yes or no',
    '1 while rows that were accepted here may be in the log and not in the store',
  ),
  featuremesh_chunks_in_flight: gauge(SERVICE, 'messages', 'Chunks appended and not yet applied'),
  featuremesh_chunk_rows: {
    kind: 'histogram',
    processes: SERVICE,
    unit: 'rows',
    help: 'Rows per message appended to the log',
    labels: [],
    buckets: CHUNK_ROWS,
  },
  featuremesh_feed_append_seconds: seconds(SERVICE, 'Time of one append to the log, synced to disk'),
  featuremesh_apply_seconds: seconds(SERVICE, 'Time of one step of the online store'),
  featuremesh_rows_applied_total: counter(
    SERVICE,
    'rows',
    'Rows of steps that the online store took; beside accepted and imported rows it says how often rows are written twice',
  ),
  featuremesh_rows_applied_again_total: counter(
    SERVICE,
    'rows',
    'Rows applied once more to every node of the store, since one was away and may lack them',
  ),
  featuremesh_store_nodes_away: gauge(
    SERVICE,
    'number',
    'Nodes of the store’s cluster that are away, as the projector’s process sees it; 0 in all others',
  ),
  featuremesh_store_repair_needed: gauge(
    SERVICE,
    'yes or no',
    '1 since the log had forgotten rows that a node may lack, until this process ends: run nodetool repair',
  ),
  featuremesh_rows_older_total: counter(SERVICE, 'rows', 'Applied rows that lost to a newer stored row'),
  featuremesh_idempotency_entries: gauge(SERVICE, 'number', 'Remembered idempotency keys'),
  // store
  featuremesh_store_tables: gauge(SERVICE, 'number', 'Tables of the online store'),
  featuremesh_store_bytes: gauge(SERVICE, 'bytes', 'Size of the embedded store on disk', 'database'),
  // projector
  featuremesh_projector_active: gauge(SERVICE, 'yes or no', '1 where this process holds the projector lease'),
  featuremesh_projector_backlog: gauge(
    SERVICE,
    'messages',
    'Distance in the log from what was applied of imports to the newest import; 0 when caught up, NaN where not known',
  ),
  featuremesh_projected_rows_total: counter(SERVICE, 'rows', 'Rows that the projector applied', 'source'),
  // retention
  featuremesh_retention_sweeper_active: gauge(
    SERVICE,
    'yes or no',
    '1 where this process removes the region’s expired rows',
  ),
  featuremesh_rows_swept_total: counter(
    SERVICE,
    'rows',
    'Rows looked at for whether they have expired',
    'group',
  ),
  featuremesh_rows_purged_total: counter(SERVICE, 'rows', 'Expired rows removed from the store', 'group'),
  // reads
  featuremesh_read_seconds: seconds(SERVICE, 'Time of one online read asked of this region', 'outcome'),
  featuremesh_read_problems_total: counter(SERVICE, 'number', 'Parts of reads not answered', 'code'),
  // replication, as this region's readers feel it
  featuremesh_replication_lag_seconds: gauge(
    SERVICE,
    'seconds',
    'How far the readable rows of a peer may be behind; NaN where not known',
    'peer',
  ),
  // policy
  featuremesh_mesh_state_revision: gauge(
    ['service', 'gateway'],
    'number',
    'Revision of the mesh state known here',
  ),
  featuremesh_policy_epoch: gauge(SERVICE, 'number', 'Newest policy epoch known of a home region', 'home'),
  featuremesh_policy_age_seconds: gauge(
    SERVICE,
    'seconds',
    'Time since a home region confirmed its newest policy epoch; NaN where it never did',
    'home',
  ),
  featuremesh_policy_enforced: gauge(
    SYNC,
    'yes or no',
    '1 where the broker enforces the policy of the newest mesh state, 0 after a failure',
  ),
  featuremesh_policy_enforced_revision: gauge(
    SYNC,
    'number',
    'Revision of the mesh state whose policy is enforced',
  ),
  // log
  featuremesh_feed_bytes: gauge(SYNC, 'bytes', 'Size of the log'),
  featuremesh_feed_limit_bytes: gauge(
    SYNC,
    'bytes',
    'Size at which the log refuses writes; +Inf without one',
  ),
  featuremesh_feed_messages: gauge(SYNC, 'messages', 'Messages that the log holds'),
  // links
  featuremesh_link_connected: gauge(SYNC, 'yes or no', '1 where the peer answers', 'peer', 'direction'),
  featuremesh_link_seq: gauge(SYNC, 'number', 'Last link_seq published or applied', 'peer', 'direction'),
  featuremesh_link_pending_batches: gauge(SYNC, 'messages', 'Batches on their way', 'peer', 'direction'),
  featuremesh_link_lag_seconds: gauge(
    SYNC,
    'seconds',
    'How far the rows of a peer in the log may be behind; NaN where not known',
    'peer',
  ),
  featuremesh_link_group_delay_seconds: gauge(
    SYNC,
    'seconds',
    'From acceptance at the peer to the log here, of the oldest row of the newest batch, by both clocks',
    'peer',
    'group',
  ),
  featuremesh_link_rows_total: counter(
    SYNC,
    'rows',
    'Rows shipped or imported',
    'peer',
    'direction',
    'group',
  ),
  featuremesh_link_bytes_total: counter(
    SYNC,
    'bytes',
    'Rows of batches as they travel: published, or received (repeats included)',
    'peer',
    'direction',
  ),
  featuremesh_link_gaps_total: counter(SYNC, 'number', 'Gaps or broken chains found', 'peer'),
  featuremesh_link_snapshots_total: counter(
    SYNC,
    'number',
    'Snapshots of a group: finished for the peer (out), or asked of it (in)',
    'peer',
    'direction',
  ),
  featuremesh_link_refused_batches_total: counter(
    SYNC,
    'messages',
    'Batches refused by policy',
    'peer',
    'direction',
  ),
  featuremesh_link_held_batches: gauge(SYNC, 'messages', 'Imported batches set aside', 'peer'),
  // gateway
  featuremesh_gateway_operation_seconds: seconds(GATEWAY, 'Time of one operation', 'kind', 'outcome'),
  featuremesh_gateway_fanout_regions: {
    kind: 'histogram',
    processes: GATEWAY,
    unit: 'number',
    help: 'Regions that one read is planned for',
    labels: [],
    buckets: FAN_OUT,
  },
  featuremesh_gateway_region_seconds: seconds(GATEWAY, 'Time of one request of a region', 'asked'),
  featuremesh_gateway_region_failures_total: counter(
    GATEWAY,
    'number',
    'Parts that a region did not answer',
    'asked',
    'code',
  ),
  featuremesh_gateway_region_down: gauge(
    GATEWAY,
    'yes or no',
    'Circuit breaker: 1 while a region is not asked because it did not answer',
    'asked',
  ),
  featuremesh_gateway_region_latency_seconds: gauge(
    GATEWAY,
    'seconds',
    'Smoothed time of the health probe; NaN until one was answered',
    'asked',
  ),
  featuremesh_gateway_redirects_total: counter(GATEWAY, 'number', 'Reads redirected to another gateway'),
  featuremesh_gateway_knowledge_age_seconds: gauge(
    GATEWAY,
    'seconds',
    'Age of what the gateway knows of the mesh',
  ),
  // tracing
  featuremesh_spans_exported_total: counter(EVERY, 'number', 'Spans that the collector took'),
  featuremesh_spans_dropped_total: counter(
    EVERY,
    'number',
    'Spans lost: the queue was full, or the collector did not take them',
    'reason',
  ),
} as const satisfies Record<string, MetricDefinition>;

/** Metrics of the process itself, which every process exposes; prom-client fills them and describes them. */
export const LIBRARY_METRICS: readonly string[] = [
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_cpu_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_heap_bytes',
  'process_open_fds',
  'process_max_fds',
  'nodejs_eventloop_lag_seconds',
  'nodejs_eventloop_lag_min_seconds',
  'nodejs_eventloop_lag_max_seconds',
  'nodejs_eventloop_lag_mean_seconds',
  'nodejs_eventloop_lag_stddev_seconds',
  'nodejs_eventloop_lag_p50_seconds',
  'nodejs_eventloop_lag_p90_seconds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_heap_size_total_bytes',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
  'nodejs_heap_space_size_total_bytes',
  'nodejs_heap_space_size_used_bytes',
  'nodejs_heap_space_size_available_bytes',
  'nodejs_version_info',
  'nodejs_gc_duration_seconds',
];

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
