import { Kind, parse, type SelectionNode, type SelectionSetNode } from 'graphql';

/** A field that a planned operation asks of an entity type: the name in the schema and the name in the answer. */
export interface AskedField {
  readonly field: string;
  readonly responseKey: string;
}

/** The fields that an `_entities` operation asks of each type, by type name; nested selections are left to the region. */
export type EntityFields = ReadonlyMap<string, readonly AskedField[]>;

/** Reads a planned `_entities` operation. Conditions (`@include`) are ignored: a field too many does no harm. */
export function entityFieldsOf(operation: string): EntityFields {
  const document = parse(operation, { noLocation: true });
  const fragments = new Map<string, SelectionSetNode>();
  const found = new Map<string, AskedField[]>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      fragments.set(definition.name.value, definition.selectionSet);
  const visit = (selections: readonly SelectionNode[], type: string | undefined): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD)
        visit(fragments.get(selection.name.value)?.selections ?? [], type);
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        visit(selection.selectionSet.selections, selection.typeCondition?.name.value ?? type);
      else if (type !== undefined)
        found.set(type, [
          ...(found.get(type) ?? []),
          { field: selection.name.value, responseKey: selection.alias?.value ?? selection.name.value },
        ]);
    }
  };
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    for (const selection of definition.selectionSet.selections)
      if (selection.kind === Kind.FIELD && selection.name.value === '_entities')
        visit(selection.selectionSet?.selections ?? [], undefined);
  }
  return found;
}
