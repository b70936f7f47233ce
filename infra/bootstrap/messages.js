/** Exit status of a start that lacks something on the machine. */
const EXIT_MISSING = 69;

/** Runs a long step with its name and duration on stderr. */
export function step(name, work) {
  const startedAt = Date.now();
  process.stderr.write(`${name} …${process.stderr.isTTY ? '' : '\n'}`);
  const result = work();
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  process.stderr.write(process.stderr.isTTY ? ` done in ${seconds} s\n` : `  done in ${seconds} s\n`);
  return result;
}

/** Ends the program with what is missing and what to do. */
export function refuse(what, remedy) {
  process.stderr.write(`\nfeaturemesh cannot start: ${what}\n  What to do: ${remedy}\n`);
  process.exit(EXIT_MISSING);
}
