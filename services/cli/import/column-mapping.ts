import type { RowInput } from '@featuremesh/contracts/http-rows';
import { ProblemError, problem } from '@featuremesh/domain/problem';

/** How flat records become rows: which column is which join key, which holds the times, which are features. */
export interface ColumnMapping {
  /** Join key → column. */
  readonly keys: ReadonlyMap<string, string>;
  readonly eventTime: string;
  readonly createdTime: string | undefined;
  /** Feature → column; undefined: every column that is used for nothing else, under its own name. */
  readonly features: ReadonlyMap<string, string> | undefined;
}

/** What the options say; lists are `name` or `name=column`. */
export interface MappingOptions {
  readonly keyColumns: readonly string[];
  readonly eventTimeColumn: string | undefined;
  readonly createdTimeColumn: string | undefined;
  readonly featureColumns: readonly string[];
}

/** The mapping that the options describe; undefined where none was given, which means rows in the shape of the rows API. */
export function columnMapping(options: MappingOptions): ColumnMapping | undefined {
  const { keyColumns, eventTimeColumn, createdTimeColumn, featureColumns } = options;
  if (keyColumns.length === 0 && eventTimeColumn === undefined && featureColumns.length === 0)
    return undefined;
  if (keyColumns.length === 0 || eventTimeColumn === undefined) {
    throw new ProblemError(
      problem(
        'INVALID_REQUEST',
        '--keys-from and --event-time-from belong together: both are needed to make rows from columns',
      ),
    );
  }
  return {
    keys: pairs(keyColumns),
    eventTime: eventTimeColumn,
    createdTime: createdTimeColumn,
    features: featureColumns.length === 0 ? undefined : pairs(featureColumns),
  };
}

/** One record as a row of the rows API; members that are null stay null, so that the region judges them. */
export function toRow(record: Readonly<Record<string, unknown>>, mapping: ColumnMapping): RowInput {
  const used = new Set([...mapping.keys.values(), mapping.eventTime, mapping.createdTime]);
  const features =
    mapping.features ?? new Map(Object.keys(record).flatMap(name => (used.has(name) ? [] : [[name, name]])));
  const created = mapping.createdTime === undefined ? undefined : record[mapping.createdTime];
  return {
    key: pick(record, mapping.keys),
    eventTime: String(record[mapping.eventTime] ?? ''),
    ...(created === undefined || created === null ? {} : { createdTime: String(created) }),
    features: pick(record, features),
  };
}

function pick(
  record: Readonly<Record<string, unknown>>,
  columns: ReadonlyMap<string, string>,
): Record<string, unknown> {
  return Object.fromEntries([...columns].map(([name, column]) => [name, record[column]]));
}

function pairs(texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map(text => {
      const equals = text.indexOf('=');
      return equals === -1 ? [text, text] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
