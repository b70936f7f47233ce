/** A function that is longer than the rule allows: its first line (from 1) and its length in lines. */
export interface LongFunction {
  readonly line: number;
  readonly lines: number;
}

const OPENS_FUNCTION =
  /(?:\bfunction\b[^;]*|=>\s*|^\s*(?:(?:public|private|protected|static|async|override|get|set)\s+|\*\s*)*#?[A-Za-z_$][\w$]*\s*(?:<[^>]*>)?\([^;]*\)\s*(?::\s*[^;{]+)?)\{\s*$/;
const CONTROL = /^\s*(?:\}\s*)?(?:if|for|while|switch|catch|else|try|do|return|await|with)\b/;

/**
 * Functions longer than `maxLines`, judged by indentation: the formatter guarantees that a block which opens at the end of a line
 * ends on the first later line with the same indentation and a closing brace.
 */
export function longFunctions(text: string, maxLines: number): LongFunction[] {
  const lines = text.split('\n');
  const found: LongFunction[] = [];
  for (const [index, line] of lines.entries()) {
    if (!OPENS_FUNCTION.test(line) && !opensAfterLongSignature(lines, index)) continue;
    if (CONTROL.test(line) && !line.includes('=>') && !/\bfunction\b/.test(line)) continue;
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const end = lines.findIndex((later, at) => at > index && later.startsWith(`${indent}}`));
    const length = end - index + 1;
    if (end > index && length > maxLines) found.push({ line: index + 1, lines: length });
  }
  return found;
}

/** A signature over several lines ends in `): Type {` at the indentation where it began. */
function opensAfterLongSignature(lines: readonly string[], index: number): boolean {
  return /^\s*\)(?::\s*[^;]+)?\s*(?:=>\s*)?\{\s*$/.test(lines[index] ?? '');
}
