import { z } from 'zod';

/** An instant on the wire: RFC 3339 with zone. */
export const instantSchema = z
  .string()
  .refine(
    text =>
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text) &&
      !Number.isNaN(Date.parse(text)),
    'an RFC 3339 instant with zone',
  );

/** Recursively read-only, as domain types are. */
export type DeepReadonly<T> = T extends string | number | boolean | bigint | null | undefined | Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : { readonly [Key in keyof T]: DeepReadonly<T[Key]> };

/** `true` where both types admit each other's values: a schema that strays from its domain type does not compile. */
export type SameShape<A, B> = [DeepReadonly<A>] extends [DeepReadonly<B>]
  ? [DeepReadonly<B>] extends [DeepReadonly<A>]
    ? true
    : false
  : false;

/** Call with a schema's inferred type and the domain type: compiles only where they are the same shape. */
export function assertSameShape<A, B>(_same: SameShape<A, B>): void {}
