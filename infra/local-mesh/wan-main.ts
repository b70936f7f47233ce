import { EXIT_REFUSED, explainError } from './explain-error.ts';
import { runWanCommand } from './wan-command.ts';

try {
  const said = await runWanCommand(process.argv.slice(2), process.env, process.cwd());
  process.stdout.write(`${said}\n`);
} catch (error) {
  process.exitCode = EXIT_REFUSED;
  process.stderr.write(explainError(error));
}
if (process.connected === true) process.disconnect();
