import type { ErrorCode } from '@featuremesh/domain/error-catalogue';

const NEXT_STEPS: Partial<Record<ErrorCode, string>> = {
  UNKNOWN_GROUP: 'see what there is with `fmesh list`; a group of another region is written `home/group`',
  UNKNOWN_SERVICE: 'see what there is with `fmesh list`',
  UNKNOWN_FEATURE: 'see its features with `fmesh describe GROUP`',
  UNKNOWN_VERSION: 'see its versions with `fmesh describe GROUP`',
  AMBIGUOUS_NAME: 'write the home region with the name: `home/group`',
  REGION_UNAVAILABLE: 'see `fmesh doctor`; a local mesh is started with `npm start`',
  LOG_UNAVAILABLE: 'see `fmesh doctor`; the same request may be sent again with its Idempotency-Key',
  OVERLOADED: 'send the same request again after a moment',
  NOT_ENFORCED_YET: 'wait a moment: the broker is taking over the definition; see `fmesh status`',
  NOT_HOME: 'send it to the home region: `--region HOME`',
  WRONG_REGION: 'send the row to the region named in the error: `--region …`',
  RESIDENCY_REDIRECT: 'ask the gateway named in the error: `--region …`',
  WRITE_REFUSED_BY_POLICY: 'see which regions may hold the rows: `fmesh policy explain GROUP`',
  RESIDENCY_DENIED: 'see who may read: `fmesh policy explain GROUP`',
  INVALID_DEFINITION: 'correct the places named above, then `fmesh validate`',
  DEFINITION_CYCLE: 'remove one of the inputs named above, then `fmesh validate`',
  CONCURRENT_CHANGE: 'look at the new state with `fmesh plan`, then apply again',
  STILL_USED:
    'see what depends on it with `fmesh describe GROUP`; it is retired all the same with --even-if-used',
  GROUP_RETIRED: 'see what to use instead with `fmesh describe GROUP`',
  EMPTY_PLACEMENT: 'see what policy allows: `fmesh policy explain GROUP`',
  POLICY_SUPERSEDED: 'raise `version:` in the policy file above the one in force: `fmesh policy list`',
  POLICY_NOT_APPROVED: 'let the officers approve: `fmesh policy approve NAME --key FILE --officer ID`',
  NOT_AN_OFFICER: 'officers are named in region.yaml under `officers:`',
  INVALID_SIGNATURE: 'the key file must belong to the officer as named in region.yaml',
  INVALID_INVITATION: 'ask for a new one: `fmesh region invite --config … --for THIS-REGION --out …`',
  INVALID_CONFIG: 'correct region.yaml; `fmesh doctor --config …` checks it',
  IDEMPOTENCY_KEY_REUSED: 'use another key for another body',
  SERVICE_AND_FEATURES: 'give --service or --features, not both',
  UNEQUAL_LENGTHS: 'give each --key as many values as the others, or one value for all rows',
  MISSING_KEY: 'see the keys with `fmesh describe GROUP`; a service names them as its `keys` say',
  UNKNOWN_KEY: 'see the keys with `fmesh describe GROUP`',
  INVALID_VALUE: 'see the types with `fmesh describe GROUP`',
  REQUIRED_FEATURE: 'see which features are required with `fmesh describe GROUP`',
  INT64_PRECISION: 'write the number as a text: "9007199254740993"',
  NON_FINITE: 'leave the feature out where it is nullable, or write with --non-finite null',
  DUPLICATE_ROW: 'the first of the equal rows was taken; give the others another event time if they differ',
  UNKNOWN_REGION: 'see which regions may hold the rows: `fmesh policy explain GROUP`',
  MALFORMED_JSON: 'correct the file; rows go as {"rows": […]}, lines of rows with `fmesh import`',
  MALFORMED_ROW:
    'correct the lines named above and import the file again: what was accepted is not applied twice',
  BODY_TOO_LARGE: 'send larger files in lines (NDJSON) with `fmesh import`',
  TOO_MANY_ROWS: 'ask for fewer rows at once',
  NOT_FOUND: 'see what there is with `fmesh list`, `fmesh policy list` or `fmesh op list`',
  FORBIDDEN: 'let another officer do it: who proposed a policy may not approve it',
  EVENT_TIME_IN_FUTURE: 'compare the clocks (`fmesh doctor`) or correct eventTime',
};

/** What a person can do about an error, in one sentence; undefined where the error says it already. */
export function nextStep(code: ErrorCode): string | undefined {
  return NEXT_STEPS[code];
}
