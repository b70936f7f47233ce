import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { LabelBounds, type LabelName } from './metric-labels.ts';
import {
  METRICS,
  type MetricDefinition,
  type MetricLabels,
  type MetricName,
  type MetricNameOf,
} from './metric-names.ts';

/** Counts of events; `by` defaults to 1. Names and labels are fixed in `metric-names`. */
export interface Metrics {
  count<N extends MetricNameOf<'counter'>>(name: N, labels: MetricLabels<N>, by?: number): void;
  /** Sets a gauge. */
  gauge<N extends MetricNameOf<'gauge'>>(name: N, labels: MetricLabels<N>, value: number): void;
  /** Adds one observation, in the unit of the name. */
  observe<N extends MetricNameOf<'histogram'>>(name: N, labels: MetricLabels<N>, value: number): void;
  /** Forgets one combination of labels, for instance of a peer that was removed. */
  forget<N extends MetricName>(name: N, labels: MetricLabels<N>): void;
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

type Labels = Readonly<Record<string, string>>;

/**
 * Metrics of one process, kept by prom-client; `context` (region, process, slot) stands on every line. All that the catalogue lists for
 * the `process` of the context is exposed from the start. A label takes the values that `metric-labels` permits, and `other`.
 */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #bounds = new LabelBounds();
  readonly #counters = new Map<MetricName, Counter>();
  readonly #gauges = new Map<MetricName, Gauge>();
  readonly #histograms = new Map<MetricName, Histogram>();

  constructor(
    context: Readonly<Record<string, string>>,
    options: { readonly processMetrics?: boolean } = {},
  ) {
    this.#registry.setDefaultLabels(context);
    if (options.processMetrics ?? true) collectDefaultMetrics({ register: this.#registry });
    for (const [name, { processes }] of Object.entries<MetricDefinition>(METRICS))
      if (processes.some(process => process === context['process'])) this.#expose(name as MetricName);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  count<N extends MetricNameOf<'counter'>>(name: N, labels: MetricLabels<N>, by = 1): void {
    this.#counter(name).inc(this.#permitted(labels), by);
  }

  gauge<N extends MetricNameOf<'gauge'>>(name: N, labels: MetricLabels<N>, value: number): void {
    this.#gauge(name).set(this.#permitted(labels), value);
  }

  observe<N extends MetricNameOf<'histogram'>>(name: N, labels: MetricLabels<N>, value: number): void {
    this.#histogram(name).observe(this.#permitted(labels), value);
  }

  forget<N extends MetricName>(name: N, labels: MetricLabels<N>): void {
    this.#counters.get(name)?.remove(labels);
    this.#gauges.get(name)?.remove(labels);
    this.#histograms.get(name)?.remove(labels);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #expose(name: MetricName): void {
    switch (METRICS[name].kind) {
      case 'counter':
        this.#counter(name);
        return;
      case 'gauge':
        this.#gauge(name);
        return;
      case 'histogram':
        this.#histogram(name);
    }
  }

  #counter(name: MetricName): Counter {
    return this.#made(this.#counters, name, settings => new Counter(settings));
  }

  #gauge(name: MetricName): Gauge {
    return this.#made(this.#gauges, name, settings => new Gauge(settings));
  }

  #histogram(name: MetricName): Histogram {
    const definition: MetricDefinition = METRICS[name];
    const buckets = [...(definition.buckets ?? [])];
    return this.#made(this.#histograms, name, settings => new Histogram({ ...settings, buckets }));
  }

  /** The labels themselves in the usual case; a copy only where one of them is out of its bounds. */
  #permitted(labels: Labels): Labels {
    let permitted: Record<string, string> | undefined;
    for (const name in labels) {
      const value = labels[name] ?? '';
      const kept = this.#bounds.permitted(name as LabelName, value);
      if (kept === value) continue;
      permitted ??= { ...labels };
      permitted[name] = kept;
    }
    return permitted ?? labels;
  }

  #made<M>(kept: Map<MetricName, M>, name: MetricName, make: (settings: PrometheusSettings) => M): M {
    const existing = kept.get(name);
    if (existing !== undefined) return existing;
    const { help, labels } = METRICS[name];
    const made = make({ name, help, labelNames: [...labels], registers: [this.#registry] });
    kept.set(name, made);
    return made;
  }
}

interface PrometheusSettings {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly registers: Registry[];
}
