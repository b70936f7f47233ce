/** Name of the subgraph that the gateway executes itself. */
export const DISCOVERY = 'discovery';

/** Name of the one contract that every region serves. */
export const REGION = 'region';
