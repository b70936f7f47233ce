import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import type { LocalClusterPlan, LocalNode } from './node-layout.ts';

/** Timeouts inside the cluster: a shared machine of two cores pauses longer than a server does. */
const SERVER_TIMEOUT = '10000ms';

/** The configuration files of one node; written anew at every start. `tlsPassword` opens the cluster's key store. */
export async function writeNodeFiles(
  plan: LocalClusterPlan,
  nodes: readonly LocalNode[],
  { node, tlsPassword }: { node: LocalNode; tlsPassword: string | undefined },
): Promise<void> {
  const conf = join(node.folder, 'conf');
  for (const folder of [conf, join(node.folder, 'tmp'), join(node.folder, 'logs')])
    await mkdir(folder, { recursive: true });
  await writeFile(join(conf, 'cassandra.yaml'), stringify(settingsOf(plan, nodes, { node, tlsPassword })), {
    mode: 0o600,
  });
  await writeFile(join(conf, 'cassandra-rackdc.properties'), `dc=${node.dataCentre}\nrack=rack1\n`);
  await writeFile(join(conf, 'logback.xml'), logback(join(node.folder, 'logs')));
  await writeFile(join(conf, 'logback-tools.xml'), '<configuration><root level="ERROR"/></configuration>\n');
}

function settingsOf(
  plan: LocalClusterPlan,
  nodes: readonly LocalNode[],
  { node, tlsPassword }: { node: LocalNode; tlsPassword: string | undefined },
): Record<string, unknown> {
  const data = (name: string): string => join(node.folder, 'data', name);
  return {
    cluster_name: `featuremesh-${plan.network}`,
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    num_tokens: 1,
    initial_token: node.token,
    auto_bootstrap: false,
    endpoint_snitch: 'GossipingPropertyFileSnitch',
    seed_provider: [
      {
        class_name: 'org.apache.cassandra.locator.SimpleSeedProvider',
        parameters: [
          {
            seeds: seedNodesOf(nodes)
              .map(({ address }) => address)
              .join(','),
          },
        ],
      },
    ],
    listen_address: node.address,
    rpc_address: node.address,
    storage_port: plan.storagePort,
    native_transport_port: plan.cqlPort,
    ...dataFolders(data),
    ...(plan.commitLogSync === 'batch'
      ? { commitlog_sync: 'batch' }
      : { commitlog_sync: 'periodic', commitlog_sync_period: '1000ms' }),
    ...SMALL,
    hinted_handoff_enabled: plan.hints ?? true,
    ...(plan.authentication
      ? {
          authenticator: 'PasswordAuthenticator',
          authorizer: 'CassandraAuthorizer',
          role_manager: 'CassandraRoleManager',
          // A permission that is taken away is felt within a second; looked up for every statement it would cost nine tenths of the rate.
          permissions_validity: '1000ms',
          roles_validity: '1000ms',
        }
      : {}),
    ...(tlsPassword === undefined
      ? {}
      : {
          client_encryption_options: {
            enabled: true,
            optional: true,
            keystore: join(plan.folder, 'tls', 'keys.p12'),
            keystore_password: tlsPassword,
            store_type: 'PKCS12',
            require_client_auth: false,
          },
        }),
  };
}

/** The first node of each data centre: only a seed starts alone, so that each data centre returns while all others are away. */
export function seedNodesOf<Node extends Pick<LocalNode, 'dataCentre'>>(
  nodes: readonly Node[],
): readonly Node[] {
  return nodes.filter((one, at) => nodes.findIndex(other => other.dataCentre === one.dataCentre) === at);
}

function dataFolders(data: (name: string) => string): Record<string, unknown> {
  return {
    data_file_directories: [data('tables')],
    commitlog_directory: data('commitlog'),
    hints_directory: data('hints'),
    saved_caches_directory: data('saved_caches'),
    cdc_raw_directory: data('cdc'),
  };
}

/** Sizes for a machine of a developer: 0.9 GB a node in all. */
const SMALL = {
  commitlog_segment_size: '8MiB',
  commitlog_total_space: '128MiB',
  memtable_heap_space: '64MiB',
  memtable_offheap_space: '64MiB',
  file_cache_size: '32MiB',
  key_cache_size: '8MiB',
  counter_cache_size: '1MiB',
  index_summary_capacity: '4MiB',
  concurrent_reads: 16,
  concurrent_writes: 16,
  concurrent_counter_writes: 2,
  concurrent_compactors: 1,
  memtable_flush_writers: 1,
  auto_snapshot: false,
  // What a node keeps for one that is away and has not written down is lost with it; ten seconds by default.
  hints_flush_period: '200ms',
  min_free_space_per_drive: '0MiB',
  disk_access_mode: 'standard',
  // What the driver asks for at once must fit a slate of a thousand keys.
  read_request_timeout: SERVER_TIMEOUT,
  range_request_timeout: SERVER_TIMEOUT,
  write_request_timeout: SERVER_TIMEOUT,
  truncate_request_timeout: '60000ms',
  request_timeout: SERVER_TIMEOUT,
} as const;

function logback(folder: string): string {
  return `<configuration>
  <appender name="FILE" class="ch.qos.logback.core.rolling.RollingFileAppender">
    <file>${folder}/system.log</file>
    <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
      <fileNamePattern>${folder}/system.log.%i</fileNamePattern><minIndex>1</minIndex><maxIndex>3</maxIndex>
    </rollingPolicy>
    <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy"><maxFileSize>10MB</maxFileSize></triggeringPolicy>
    <encoder><pattern>%date{ISO8601} %-5level [%thread] %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
`;
}

/** Address of a file as Java's options want it. */
export function fileUrl(path: string): string {
  return pathToFileURL(path).href;
}
