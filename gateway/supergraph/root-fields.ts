import { Kind, parse } from 'graphql';

const ROOT_TYPES = new Set(['Query', 'Mutation', 'Subscription']);

/**
 * Root fields (`Query.online`) that a subgraph may answer according to a supergraph's SDL. A root field without `@join__field`
 * belongs to every subgraph of its type. Root fields of one subgraph are merged into one fetch, so they cannot be routed by argument:
 * the `region` contract must own none.
 */
export function rootFieldsOf(subgraph: string, supergraphSdl: string): readonly string[] {
  const graph = subgraph.toUpperCase();
  return parse(supergraphSdl).definitions.flatMap(definition => {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION || !ROOT_TYPES.has(definition.name.value)) return [];
    const graphsOf = (directives: typeof definition.directives, name: string): string[] =>
      (directives ?? [])
        .filter(directive => directive.name.value === name)
        .flatMap(directive => directive.arguments ?? [])
        .filter(argument => argument.name.value === 'graph')
        .map(argument => (argument.value.kind === Kind.ENUM ? argument.value.value : ''));
    const typeGraphs = graphsOf(definition.directives, 'join__type');
    return (definition.fields ?? [])
      .filter(field => {
        const own = graphsOf(field.directives, 'join__field');
        return (own.length > 0 ? own : typeGraphs).includes(graph);
      })
      .map(field => `${definition.name.value}.${field.name.value}`);
  });
}
