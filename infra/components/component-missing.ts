/** Something that the machine lacks, with what a person can do about it. */
export class ComponentMissing extends Error {
  readonly component: string;
  readonly remedy: string;

  constructor(component: string, what: string, remedy: string, options?: ErrorOptions) {
    super(`${component}: ${what}\n  What to do: ${remedy}`, options);
    this.name = 'ComponentMissing';
    this.component = component;
    this.remedy = remedy;
  }
}
