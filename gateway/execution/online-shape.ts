import {
  type DocumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** A scalar field as it was asked for: its name in the schema and in the answer. */
export interface ShapeField {
  readonly field: string;
  readonly responseKey: string;
}

/** An operation that asks for one `online` and nothing else, taken apart. */
export interface OnlineShape {
  readonly operation: OperationDefinitionNode;
  readonly root: FieldNode;
  readonly rootKey: string;
  /** The members of the answer; `results` is the one with fields of its own. */
  readonly members: readonly (ShapeField & { readonly fields: readonly ShapeField[] })[];
}

/**
 * The shape of an operation that a valid document holds alone: plain fields below one `online`, without fragments and directives.
 * Undefined for any other document, which goes the planner's way.
 */
export function onlineShapeOf(document: DocumentNode): OnlineShape | undefined {
  const [operation, another] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION || another !== undefined) return undefined;
  if (operation.operation !== 'query' || (operation.directives?.length ?? 0) > 0) return undefined;
  const [root, more] = fieldsOf(operation.selectionSet) ?? [];
  if (root === undefined || more !== undefined || root.name.value !== 'online') return undefined;
  const selected = fieldsOf(root.selectionSet);
  if (selected === undefined) return undefined;
  const members: OnlineShape['members'][number][] = [];
  for (const member of selected) {
    const fields = member.selectionSet === undefined ? [] : fieldsOf(member.selectionSet);
    if (fields === undefined || fields.some(({ selectionSet }) => selectionSet !== undefined))
      return undefined;
    members.push({ ...shapeField(member), fields: fields.map(shapeField) });
  }
  // The same field twice would have to be merged.
  if (new Set(members.map(({ responseKey }) => responseKey)).size < members.length) return undefined;
  return { operation, root, rootKey: shapeField(root).responseKey, members };
}

function shapeField({ name, alias }: FieldNode): ShapeField {
  return { field: name.value, responseKey: alias?.value ?? name.value };
}

function fieldsOf(set: SelectionSetNode | undefined): readonly FieldNode[] | undefined {
  const fields: FieldNode[] = [];
  for (const selection of set?.selections ?? []) {
    if (selection.kind !== Kind.FIELD || (selection.directives?.length ?? 0) > 0) return undefined;
    fields.push(selection);
  }
  return fields;
}
