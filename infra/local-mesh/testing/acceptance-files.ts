import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const EVENT_MS = Date.parse('2026-01-01T00:00:00Z');
const LINES = 71_000;

const DEFINITIONS = `
entities:
  - {name: airport, joinKeys: [{name: airport, type: string}]}
  - name: traveller
    subject: true
    joinKeys: [{name: traveller, type: string}, {name: residence, type: string, role: region}]
featureGroups:
  - name: delays
    entity: airport
    homeRegion: us-east-1
    inputs: external
    sync: {mode: active-active, regions: [us-east-1, us-west-2, eu-west-1]}
    features:
      - {name: mean_delay, type: float64, nullable: true}
      - {name: flights, type: int64, nullable: true}
  - name: travellers
    entity: traveller
    homeRegion: us-east-1
    inputs: external
    sync: {mode: local, regions: [us-east-1, us-west-2, eu-west-1]}
    features:
      - {name: tier, type: string}
featureServices:
  - name: delay_model
    homeRegion: us-east-1
    features: ["delays:mean_delay", "delays:flights"]
`;
const group = (name: string, inputs: string, type = 'int32') =>
  `  - {name: ${name}, entity: airport, homeRegion: us-east-1, inputs: ${inputs}, features: [{name: x, type: ${type}}]}\n`;
const HEAD = 'entities:\n  - {name: airport, joinKeys: [{name: airport, type: string}]}\nfeatureGroups:\n';
const policy = (name: string, group: string, rows: string) => `
- name: ${name}
  home: us-east-1
  version: 1
  select: {groups: [us-east-1/${group}]}
  allowed: {jurisdictions: [US, EU]}
  rows: ${rows}
  egress: in-domain
  readers: {jurisdictions: [US, EU]}
`;

/**
 * Writes what the acceptance tests give to `fmesh`: `features/`, `policies/`, and in `bad/` a cycle, an unknown type, broken and
 * oversized JSON, and 71,000 rows as lines of which `badLine` is malformed; the row of line n has value n and key `line-<n mod 700>`.
 */
export function writeAcceptanceFiles(folder: string, badLine: number): void {
  const lines = Array.from({ length: LINES }, (_, at) => (at + 1 === badLine ? '{nonsense' : lineOf(at + 1)));
  const files = {
    'features/all.yaml': DEFINITIONS,
    'policies/delays.yaml': policy('delays-travel', 'delays', 'shared'),
    'policies/travellers.yaml': policy('travellers-stay', 'travellers', 'origin'),
    'bad/cycle.yaml': `${HEAD}${group('a', '[b]')}${group('b', '[a]')}`,
    'bad/type.yaml': `${HEAD}${group('c', 'external')}${group('d', 'external', 'float46')}`,
    'bad/broken.json': '{"rows": [',
    'bad/big.json': JSON.stringify({ rows: ['x'.repeat(17 * 1024 * 1024)] }),
    'bad/lines.ndjson': `${lines.join('\n')}\n`,
  };
  for (const name of ['features', 'policies', 'bad', 'people']) mkdirSync(join(folder, name));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

function lineOf(number: number): string {
  return JSON.stringify({
    key: { airport: `line-${number % 700}` },
    eventTime: new Date(EVENT_MS + number).toISOString(),
    features: { mean_delay: number },
  });
}
