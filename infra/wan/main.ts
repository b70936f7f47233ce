import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '@featuremesh/runtime/clock';
import { Lifecycle } from '@featuremesh/runtime/lifecycle';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { ControlServer } from './control-server.ts';
import { wanConfigSchema } from './wan-path.ts';
import { WanProxy } from './wan-proxy.ts';

const log = createLogger({ process: 'wan' });

/** Runs the proxy of a configuration file until SIGTERM, or until the program that started it is gone. */
async function run(path: string): Promise<void> {
  const { control, paths } = wanConfigSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const proxy = new WanProxy({
    paths,
    tools: { clock: systemClock, timer: systemTimer, random: systemRandom },
  });
  const server = new ControlServer(proxy);
  const lifecycle = new Lifecycle({ logger: log, clock: systemClock, timer: systemTimer });
  lifecycle.attach(process);
  lifecycle.add({ name: 'paths', start: () => proxy.start(), stop: () => proxy.stop() });
  lifecycle.add({ name: 'control', start: () => server.listen(control), stop: () => server.close() });
  await lifecycle.start();
  log.info({ paths: paths.length, control: control.port }, 'the network between the regions is up');
}

const { values } = parseArgs({ options: { config: { type: 'string' } } });
if (values.config === undefined) {
  process.stderr.write('usage: node infra/wan/main.ts --config <paths.json>\n');
  process.exitCode = 2;
} else {
  try {
    await run(values.config);
  } catch (error) {
    log.error({ err: error }, 'the proxy did not start');
    process.exitCode = 1;
  }
}
