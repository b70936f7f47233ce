import { delimiter, join } from 'node:path';
import type { CassandraJars } from '../components/cassandra.ts';
import { fileUrl } from './node-files.ts';
import type { LocalClusterPlan, LocalNode } from './node-layout.ts';

/** What Cassandra 5.0 reaches into on Java 17, as its own `jvm17-server.options` lists it. */
const EXPORTS = [
  'java.base/jdk.internal.misc',
  'java.base/java.lang.ref',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.sql/java.sql',
  'jdk.unsupported/sun.misc',
  'jdk.compiler/com.sun.tools.javac.file',
  'jdk.attach/sun.tools.attach',
];
const OPENS = [
  ...['java.lang', 'java.lang.module', 'java.lang.reflect', 'java.util', 'java.io', 'java.nio', 'sun.nio.ch'],
  ...['jdk.internal.loader', 'jdk.internal.ref', 'jdk.internal.reflect', 'jdk.internal.math'],
  ...['jdk.internal.module', 'jdk.internal.util.jar'],
].map(name => `java.base/${name}`);
const OTHER_OPENS = ['jdk.management/com.sun.management.internal', 'jdk.compiler/com.sun.tools.javac'];

const ACCESS = [
  ...EXPORTS.flatMap(name => ['--add-exports', `${name}=ALL-UNNAMED`]),
  ...[...OPENS, ...OTHER_OPENS].flatMap(name => ['--add-opens', `${name}=ALL-UNNAMED`]),
];

/** Arguments of `java` that run one node. `fresh`: it has no data yet, so that there is no ring to remember. */
export function serverArguments(
  plan: LocalClusterPlan,
  node: LocalNode,
  { jars, fresh }: { jars: CassandraJars; fresh: boolean },
): readonly string[] {
  const conf = join(node.folder, 'conf');
  return [
    `-javaagent:${jars.jamm}`,
    `-Xms${plan.heapMb}m`,
    `-Xmx${plan.heapMb}m`,
    '-XX:MaxDirectMemorySize=256m',
    '-XX:+UseSerialGC',
    '-XX:ActiveProcessorCount=2',
    '-XX:+ExitOnOutOfMemoryError',
    ...(plan.quickStart ? ['-XX:TieredStopAtLevel=1'] : []),
    ...ACCESS,
    `-Djava.io.tmpdir=${join(node.folder, 'tmp')}`,
    '-Djdk.attach.allowAttachSelf=true',
    '-Dio.netty.tryReflectionSetAccessible=true',
    `-Dcassandra.config=${fileUrl(join(conf, 'cassandra.yaml'))}`,
    `-Dcassandra.storagedir=${join(node.folder, 'data')}`,
    `-Dcassandra.logdir=${join(node.folder, 'logs')}`,
    `-Dlogback.configurationFile=${join(conf, 'logback.xml')}`,
    '-Dcassandra-foreground=yes',
    `-Dcassandra.jmx.local.port=${node.jmxPort}`,
    '-Dcassandra.ring_delay_ms=1000',
    '-Dcassandra.skip_wait_for_gossip_to_settle=0',
    '-Dcassandra.consistent.rangemovement=false',
    '-Dcassandra.superuser_setup_delay_ms=0',
    '-Dcassandra.shutdown_announce_in_ms=200',
    '-Dcassandra.disable_tcactive_openssl=true',
    ...(plan.flushSchema ? [] : ['-Dcassandra.test.flush_local_schema_changes=false']),
    ...(fresh ? ['-Dcassandra.load_ring_state=false'] : []),
    '-cp',
    [conf, ...jars.classPath].join(delimiter),
    'org.apache.cassandra.service.CassandraDaemon',
  ];
}

/** Arguments of `java` that run a `nodetool` command against one node. */
export function nodetoolArguments(
  node: LocalNode,
  { jars, command }: { jars: CassandraJars; command: readonly string[] },
): readonly string[] {
  const conf = join(node.folder, 'conf');
  return [
    '-Xmx64m',
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    ...ACCESS,
    `-Djava.io.tmpdir=${join(node.folder, 'tmp')}`,
    `-Dcassandra.storagedir=${join(node.folder, 'tmp')}`,
    `-Dlogback.configurationFile=${join(conf, 'logback-tools.xml')}`,
    '-cp',
    [conf, ...jars.classPath].join(delimiter),
    'org.apache.cassandra.tools.NodeTool',
    '-h',
    '127.0.0.1',
    '-p',
    String(node.jmxPort),
    ...command,
  ];
}
