import { writeFileSync } from 'node:fs';
import { telemetryDocument } from './telemetry-document.ts';

writeFileSync(new URL('../METRICS.md', import.meta.url), await telemetryDocument());
