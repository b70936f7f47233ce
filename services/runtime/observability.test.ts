import { readFileSync } from 'node:fs';
import { parsePrometheus } from '@featuremesh/testkit/telemetry/prometheus-text';
import { describe, expect, it } from 'vitest';
import { Health } from './health.ts';
import { createLogger, logLevel } from './logger.ts';
import { METRIC_LABELS } from './metric-labels.ts';
import { METRICS } from './metric-names.ts';
import { PrometheusMetrics } from './metrics.ts';
import { overlay } from './overlay.ts';
import { telemetryDocument } from './telemetry-document.ts';

describe('logger', () => {
  function lines(level: 'debug' | 'info' | 'error') {
    const written: string[] = [];
    const logger = createLogger(
      { region: 'eu-west-1', process: 'sync' },
      { level, stream: { write: line => void written.push(line) } },
    );
    return { logger, parsed: () => written.map(line => JSON.parse(line)) };
  }

  it('writes one JSON object per line, with context, level, time and the error', () => {
    const { logger, parsed } = lines('info');
    logger.child({ peer: 'us-east-1' }).warn({ err: new Error('cut'), linkSeq: 3 }, 'link lost');
    expect(parsed()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        region: 'eu-west-1',
        process: 'sync',
        peer: 'us-east-1',
        linkSeq: 3,
        err: expect.objectContaining({ type: 'Error', message: 'cut' }),
        msg: 'link lost',
      },
    ]);
  });

  it('leaves out what is below its level', () => {
    const { logger, parsed } = lines('error');
    logger.info({}, 'a');
    logger.error({}, 'b');
    expect(parsed().map(line => line.msg)).toEqual(['b']);
  });

  it('takes its level from the environment and refuses a word that is none', () => {
    expect(logLevel({})).toBe('info');
    expect(logLevel({ FEATUREMESH_LOG_LEVEL: 'debug' })).toBe('debug');
    expect(() => logLevel({ FEATUREMESH_LOG_LEVEL: 'loud' })).toThrow('INVALID_CONFIG');
  });
});

describe('metrics', () => {
  it('counts, sets, observes and forgets, with the context on every line', async () => {
    const metrics = new PrometheusMetrics({ region: 'eu-west-1' }, { processMetrics: false });
    metrics.count('featuremesh_rows_accepted_total', { group: 'g1' });
    metrics.count('featuremesh_rows_accepted_total', { group: 'g1' }, 4);
    metrics.count('featuremesh_rows_accepted_total', { group: 'g2' });
    metrics.forget('featuremesh_rows_accepted_total', { group: 'g2' });
    metrics.gauge('featuremesh_chunks_in_flight', {}, 7);
    metrics.observe('featuremesh_read_seconds', { outcome: 'complete' }, 0.003);
    const text = await metrics.text();
    expect(text).toContain('featuremesh_rows_accepted_total{group="g1",region="eu-west-1"} 5');
    expect(text).not.toContain('g2');
    expect(text).toContain('featuremesh_chunks_in_flight{region="eu-west-1"} 7');
    expect(text).toContain(
      'featuremesh_read_seconds_bucket{le="0.005",region="eu-west-1",outcome="complete"} 1',
    );
    expect(text).toContain(
      'featuremesh_read_seconds_bucket{le="0.002",region="eu-west-1",outcome="complete"} 0',
    );
    expect(metrics.contentType).toContain('text/plain');
  });

  it('two of them in one process do not meet', async () => {
    const [one, other] = [1, 2].map(n => new PrometheusMetrics({ slot: `${n}` }, { processMetrics: false }));
    one?.gauge('featuremesh_store_tables', {}, 1);
    expect(await other?.text()).not.toContain('featuremesh_store_tables{');
  });

  it('names follow Prometheus: counters end in _total, histograms in their unit, none is labelled by key', () => {
    for (const [name, { kind, labels }] of Object.entries(METRICS)) {
      expect(name).toMatch(/^featuremesh_[a-z_]+$/);
      expect(name.endsWith('_total'), name).toBe(kind === 'counter');
      if (kind === 'histogram') expect(name).toMatch(/_(seconds|rows|bytes|regions)$/);
      expect(labels).not.toContain('key');
    }
  });

  it('includes the process’s own', async () => {
    expect(await new PrometheusMetrics({}).text()).toContain('process_resident_memory_bytes');
  });

  it('exposes from the start what the catalogue lists for its process', async () => {
    const text = await new PrometheusMetrics({ process: 'gateway' }, { processMetrics: false }).text();
    expect(text).toContain('# TYPE featuremesh_gateway_region_down gauge');
    expect(text).toContain('featuremesh_gateway_redirects_total{process="gateway"} 0');
    expect(text).not.toContain('featuremesh_feed_bytes');
  });

  it('bounds the values of labels: what is beyond is counted together', async () => {
    const metrics = new PrometheusMetrics({}, { processMetrics: false });
    for (let at = 0; at < 2_000; at += 1)
      metrics.count('featuremesh_rows_rejected_total', { group: `group ${at}`, code: 'INVALID_KEY' });
    metrics.count('featuremesh_rows_rejected_total', { group: 'group 0', code: 'a key' });
    const { samples } = parsePrometheus(await metrics.text());
    const groups = new Set(samples.map(({ labels }) => labels['group']));
    expect(groups.size).toBe(513);
    expect(samples.find(({ labels }) => labels['group'] === 'other')?.value).toBe(2_000 - 512);
    expect(
      samples.filter(({ labels }) => labels['group'] === 'group 0').map(({ labels }) => labels['code']),
    ).toEqual(['INVALID_KEY', 'other']);
  });

  it('are described in METRICS.md as the catalogue has them', async () => {
    const document = readFileSync(new URL('../METRICS.md', import.meta.url), 'utf8');
    // Else: node services/runtime/write-telemetry-document.ts
    expect(document).toBe(await telemetryDocument());
  });

  it('have labels that the list of labels explains', () => {
    const used = new Set(Object.values(METRICS).flatMap(({ labels }): readonly string[] => labels));
    expect([...used].toSorted()).toEqual(Object.keys(METRIC_LABELS).toSorted());
  });
});

describe('health', () => {
  it('is ready when every named component is, and says why one is not', () => {
    const health = new Health(['store', 'log']);
    expect(health.report()).toEqual({
      ready: false,
      components: { store: { ready: false, reason: 'starting' }, log: { ready: false, reason: 'starting' } },
    });
    health.ready('store');
    health.ready('log');
    expect(health.report().ready).toBe(true);
    health.notReady('log', 'no answer for 5 s');
    expect(health.report()).toMatchObject({
      ready: false,
      components: { log: { reason: 'no answer for 5 s' } },
    });
  });
});

describe('overlay', () => {
  it('replaces methods and leaves the others with their private state', () => {
    class Base {
      readonly name = 'base';
      inherited(): string {
        return `inherited by ${this.name}`;
      }
    }
    class Counter extends Base {
      #count = 0;
      next(): number {
        this.#count += 1;
        return this.#count;
      }
      last(): number {
        return this.#count;
      }
    }
    const counter = new Counter();
    const doubled = overlay(counter, { next: () => counter.next() * 2 });
    expect([doubled.next(), doubled.next(), doubled.last()]).toEqual([2, 4, 2]);
    expect([doubled.name, doubled.inherited()]).toEqual(['base', 'inherited by base']);
  });
});
