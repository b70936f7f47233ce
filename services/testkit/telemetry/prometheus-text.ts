/** One line of a scrape. */
export interface ScrapedSample {
  /** Of the metric, without `_bucket`, `_sum` or `_count`. */
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A scrape, parsed strictly. */
export interface Scrape {
  /** Type by name of the metric, as `# TYPE` says. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly ScrapedSample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"`;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*)?\\})? (\\S+)$`);
const NUMBER = /^(?:NaN|[+-]?Inf|[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)$/i;

/**
 * Parses Prometheus' text format and throws at whatever a server would choke on: lines that are none, samples without or before their
 * type, a series given twice, numbers that are none, histograms whose buckets fall or do not end at their count.
 */
export function parsePrometheus(text: string): Scrape {
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const seen = new Set<string>();
  const samples: ScrapedSample[] = [];
  const histograms = new Map<string, { last: number; end: number | undefined }>();
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  for (const line of text.split('\n').filter(each => each !== '')) {
    const [, what, subject, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (subject !== undefined && rest !== undefined) {
      if (what === 'HELP' ? helps.has(subject) : types.has(subject)) throw new Error(`twice: ${line}`);
      if (what === 'HELP') helps.add(subject);
      else types.set(subject, rest);
      continue;
    }
    const [, name, labelText, number] = SAMPLE.exec(line) ?? [];
    if (name === undefined || number === undefined) throw new Error(`not a sample: ${line}`);
    if (!NUMBER.test(number)) throw new Error(`not a number: ${line}`);
    const metric = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(metric) || !helps.has(metric)) throw new Error(`no type or help before ${line}`);
    const series = `${name}{${labelText ?? ''}}`;
    if (seen.has(series)) throw new Error(`twice: ${series}`);
    seen.add(series);
    const labels = labelsOf(labelText ?? '');
    const value = Number(number.replace(/Inf/, 'Infinity').replace(/Nan/i, 'NaN'));
    if (types.get(metric) === 'counter' && !(value >= 0)) throw new Error(`a counter that is ${line}`);
    if (types.get(metric) === 'histogram') checkHistogram(histograms, name, labels, value);
    samples.push({ metric, labels, value });
  }
  return { types, samples };
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    if (name in labels) throw new Error(`label ${name} twice`);
    labels[name] = value.replaceAll('\\n', '\n').replaceAll(/\\(["\\])/g, '$1');
  }
  return labels;
}

function checkHistogram(
  histograms: Map<string, { last: number; end: number | undefined }>,
  name: string,
  { le, ...labels }: Readonly<Record<string, string>>,
  value: number,
): void {
  const metric = name.replace(/_(bucket|sum|count)$/, '');
  const key = `${metric} ${JSON.stringify(Object.entries(labels).toSorted())}`;
  const known = histograms.get(key) ?? { last: 0, end: undefined };
  histograms.set(key, known);
  if (name.endsWith('_bucket')) {
    if (le === undefined || value < known.last) throw new Error(`buckets fall: ${key}`);
    known.last = value;
    if (le === '+Inf') known.end = value;
  } else if (name.endsWith('_count') && known.end !== value)
    throw new Error(`the last bucket is not the count: ${key}`);
}
