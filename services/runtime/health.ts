/** Whether a part of a process can do its work, and if not, why, in words for an operator; a part that can may still have something to say. */
export type ComponentHealth =
  | { readonly ready: true; readonly warning?: string }
  | { readonly ready: false; readonly reason: string };

/** What `/health/ready` answers: ready where every component is. */
export interface HealthReport {
  readonly ready: boolean;
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/** Readiness of one process by component. A component counts from the moment it is named, so name all before listening. */
export class Health {
  readonly #components = new Map<string, ComponentHealth>();

  /** Names components that are not ready yet. */
  constructor(components: readonly string[] = []) {
    for (const component of components) this.notReady(component, 'starting');
  }

  /** The component does its work; `warning` says what an operator should mend all the same. */
  ready(component: string, warning?: string): void {
    this.#components.set(component, warning === undefined ? { ready: true } : { ready: true, warning });
  }

  /** The component does not, because of `reason`; never a secret or an entity key. */
  notReady(component: string, reason: string): void {
    this.#components.set(component, { ready: false, reason });
  }

  /** The present state of all components, in the order in which they were named. */
  report(): HealthReport {
    const components = Object.fromEntries(this.#components);
    return { ready: Object.values(components).every(component => component.ready), components };
  }
}
