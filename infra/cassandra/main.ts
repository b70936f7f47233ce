import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LocalCassandra } from './local-cassandra.ts';

const HELP = `node infra/cassandra/main.ts: a Cassandra cluster on this machine, until Ctrl-C; data is kept in its folder

  --folder DIR    where data, configuration and logs are (.featuremesh/cassandra)
  --dc NAMES      the data centre of each node, by commas (dc1,dc2)
  --network N     third number of the addresses 127.0.N.1 … (1)
  --port N        CQL port of every node (9042)
  --heap-mb N     heap of each node (512)
  --auth, --tls   judge passwords and permissions; answer TLS too`;

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '.featuremesh/cassandra' },
    dc: { type: 'string', default: 'dc1,dc2' },
    network: { type: 'string', default: '1' },
    port: { type: 'string', default: '9042' },
    'heap-mb': { type: 'string', default: '512' },
    auth: { type: 'boolean', default: false },
    tls: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(`${HELP}\n`);
else await runCluster();

async function runCluster(): Promise<void> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const network = Number(values.network);
  const cqlPort = Number(values.port);
  const cluster = await LocalCassandra.open(
    {
      folder: resolve(values.folder),
      dataCentres: values.dc.split(','),
      network,
      cqlPort,
      storagePort: cqlPort - 2_042,
      jmxPort: 7_200 + network * 16,
      heapMb: Number(values['heap-mb']),
      authentication: values.auth,
      tls: values.tls,
      commitLogSync: 'periodic',
      flushSchema: true,
      quickStart: false,
    },
    say,
  );
  const stopped = new Promise<void>(done => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  // A pending signal handler alone does not keep the process.
  const alive = setInterval(() => undefined, 60_000);
  try {
    await Promise.race([cluster.start(), stopped]);
    for (const node of cluster.nodes) say(`${node.dataCentre}  ${node.address}:${cqlPort}`);
    if (values.tls) say(`certificate  ${cluster.certificatePath}`);
    await stopped;
  } finally {
    clearInterval(alive);
    await cluster.stop();
  }
}
