import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { CommanderError } from 'commander';
import { EXIT } from './exit-code.ts';
import { buildProgram } from './program.ts';

// A reader that has seen enough (`| head`) closes the pipe; that is no error. A program that started this one and was killed closes it too: what
// serves must end its parts in order then, though nobody reads what it says of them.
const wasStartedByProgram = process.connected === true;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', error => {
    if (!('code' in error) || error.code !== 'EPIPE') throw error;
    if (!wasStartedByProgram) process.exit(process.exitCode ?? EXIT.done);
  });
}

// npx starts this from the folder of the user; run.js leaves the working directory as it is.
const program = buildProgram({
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  clock: systemClock,
  timer: systemTimer,
  random: systemRandom,
  exit: code => {
    process.exitCode = code;
  },
});

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  } else {
    process.exitCode = EXIT.unexpected;
    process.stderr.write(
      `fmesh: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  }
}
if (process.connected === true) process.disconnect();
