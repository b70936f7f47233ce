import { composeServices } from '@apollo/composition';
import { DISCOVERY_SDL } from '@featuremesh/contracts/discovery-schema';
import { REGION_SDL } from '@featuremesh/contracts/region-schema';
import { parse } from 'graphql';
import { DISCOVERY, REGION } from './subgraph-names.ts';

/** A composed supergraph, or why there is none. `hints` are composition's remarks; a clean contract has none. */
export type Composition =
  | { readonly kind: 'composed'; readonly sdl: string; readonly hints: readonly string[] }
  | { readonly kind: 'refused'; readonly errors: readonly string[] };

/** Composes the two logical subgraphs (A7). Their addresses are names only: the gateway reaches both through data sources of its own. */
export function composeSupergraph(sdl = { discovery: DISCOVERY_SDL, region: REGION_SDL }): Composition {
  const result = composeServices([
    { name: DISCOVERY, url: 'in-process:discovery', typeDefs: parse(sdl.discovery) },
    { name: REGION, url: 'by-reference:region', typeDefs: parse(sdl.region) },
  ]);
  if (result.errors !== undefined)
    return { kind: 'refused', errors: result.errors.map(error => error.message) };
  return {
    kind: 'composed',
    sdl: `${result.supergraphSdl.trim()}\n`,
    hints: result.hints.map(hint => hint.toString()),
  };
}
