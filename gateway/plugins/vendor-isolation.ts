/** Settings by which the vendor's packages would report, or fetch schemas, from elsewhere. None of them is honoured. */
const VENDOR_SETTINGS = [
  'APOLLO_KEY',
  'APOLLO_GRAPH_REF',
  'APOLLO_GRAPH_ID',
  'APOLLO_GRAPH_VARIANT',
  'APOLLO_SCHEMA_REPORTING',
  'APOLLO_SCHEMA_CONFIG_DELIVERY_ENDPOINT',
  'APOLLO_UPLINK_ENDPOINTS',
  'APOLLO_OUT_OF_BAND_REPORTER_ENDPOINT',
] as const;

/**
 * Turns the vendor's telemetry off in this environment and removes its settings. Call it before the gateway is constructed: that
 * is when it is read, and when it would probe cloud metadata addresses.
 */
export function isolateFromVendor(environment: NodeJS.ProcessEnv): void {
  for (const name of VENDOR_SETTINGS) delete environment[name];
  environment['APOLLO_TELEMETRY_DISABLED'] = 'true';
}
