import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../clock.ts';
import { Lifecycle } from '../lifecycle.ts';
import { createLogger } from '../logger.ts';
import { systemTimer } from '../timer.ts';

// A process with one part that holds it open. With `--below` it runs under a supervisor that does nothing but fork it.
if (process.argv.includes('--below')) {
  const child = fork(fileURLToPath(import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.on('message', pid => process.send?.(pid));
} else {
  const logger = createLogger({ process: 'test' }, { level: 'info' });
  const lifecycle = new Lifecycle({ logger, clock: systemClock, timer: systemTimer });
  lifecycle.add({
    name: 'work',
    start: () => void systemTimer.every(50, () => {}),
    stop: () => logger.info({}, 'work stopped'),
  });
  lifecycle.attach(process);
  await lifecycle.start();
  process.send?.(process.pid);
}
