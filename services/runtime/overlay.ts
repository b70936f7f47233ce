/**
 * `target` with some of its methods replaced; all others are bound to it once, so that calling them costs what it did. For objects whose
 * members are methods and constants: a value that changes would be seen as it was at this moment.
 */
export function overlay<T extends object>(target: T, replaced: Partial<T>): T {
  const members: Record<string, unknown> = {};
  for (
    let owner: object | null = target;
    owner !== null && owner !== Object.prototype;
    owner = Object.getPrototypeOf(owner)
  ) {
    for (const name of Object.getOwnPropertyNames(owner)) {
      if (name === 'constructor' || Object.hasOwn(members, name)) continue;
      const member: unknown = Reflect.get(target, name, target);
      members[name] = typeof member === 'function' ? member.bind(target) : member;
    }
  }
  return Object.assign(members, replaced) as T;
}
