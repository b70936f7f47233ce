import { type ASTVisitor, GraphQLError, Kind, type SelectionNode, type ValidationContext } from 'graphql';
import { MAX_OPERATION_ALIASES, MAX_OPERATION_DEPTH, MAX_ROOT_FIELDS } from '../limits.ts';

interface Measure {
  readonly depth: number;
  readonly aliases: number;
}

/**
 * Validation rule: refuses operations that are deeper, have more aliases or more root fields than stated in `limits`. Fragments count
 * wherever they are spread; introspection is not measured.
 */
export function operationLimits(context: ValidationContext): ASTVisitor {
  const fragments = new Map<string, Measure>();
  const refuse = (what: string, found: number, max: number): void => {
    if (found <= max) return;
    context.reportError(
      new GraphQLError(`The operation has ${what} ${found}; at most ${max} is served`, {
        extensions: { code: 'INVALID_REQUEST' },
      }),
    );
  };
  const ofFragment = (name: string, open: readonly string[]): Measure => {
    const known = fragments.get(name);
    if (known !== undefined) return known;
    const fragment = context.getFragment(name);
    // A cycle or an unknown fragment is another rule's error.
    if (fragment == null || open.includes(name)) return { depth: 0, aliases: 0 };
    const measured = measure(fragment.selectionSet.selections, [...open, name]);
    fragments.set(name, measured);
    return measured;
  };
  const measure = (selections: readonly SelectionNode[], open: readonly string[]): Measure => {
    let depth = 0;
    let aliases = 0;
    for (const selection of selections) {
      const isField = selection.kind === Kind.FIELD;
      if (isField && selection.name.value.startsWith('__')) continue;
      const inner =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? ofFragment(selection.name.value, open)
          : measure(selection.selectionSet?.selections ?? [], open);
      depth = Math.max(depth, inner.depth + (isField ? 1 : 0));
      aliases += inner.aliases + (isField && selection.alias !== undefined ? 1 : 0);
    }
    return { depth, aliases };
  };
  const rootFields = (selections: readonly SelectionNode[], open: readonly string[]): number =>
    selections.reduce((count, selection) => {
      if (selection.kind === Kind.FIELD) return count + 1;
      if (selection.kind === Kind.INLINE_FRAGMENT)
        return count + rootFields(selection.selectionSet.selections, open);
      const name = selection.name.value;
      const fragment = open.includes(name) ? undefined : context.getFragment(name);
      return count + rootFields(fragment?.selectionSet.selections ?? [], [...open, name]);
    }, 0);
  return {
    OperationDefinition: ({ selectionSet }) => {
      const { depth, aliases } = measure(selectionSet.selections, []);
      refuse('depth', depth, MAX_OPERATION_DEPTH);
      refuse('aliases', aliases, MAX_OPERATION_ALIASES);
      refuse('root fields', rootFields(selectionSet.selections, []), MAX_ROOT_FIELDS);
    },
  };
}
