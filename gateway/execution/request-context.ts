import type { ReadCaller } from '@featuremesh/domain/placement';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { PlannedRead } from '@featuremesh/domain/read-plan';
import type { MeshView } from '../catalogue/mesh-view.ts';
import type { ReadContext } from './matrix-reader.ts';

/** What the GraphQL server carries: it copies its context, which a class with private members would not survive. */
export interface ServerContext {
  readonly mesh: RequestContext;
}

/** The request of a data source's context; undefined where the context is not of this gateway. */
export function requestOf(context: Readonly<Record<string, unknown>>): RequestContext | undefined {
  return context['mesh'] instanceof RequestContext ? context['mesh'] : undefined;
}

/** Everything that belongs to one request: one view of the mesh, one caller, one deadline, and the reads that discovery planned. */
export class RequestContext {
  readonly read: ReadContext;
  readonly #planned: PlannedRead[] = [];

  constructor(read: ReadContext) {
    this.read = read;
  }

  /** The view by which everything in this request is decided. */
  get view(): MeshView {
    return this.read.view;
  }

  /** Who asks. */
  get caller(): ReadCaller {
    return this.read.caller;
  }

  /** Keeps a planned read and returns its handle: what travels as `read` inside the gateway, so that tickets never reach a client. */
  keep(read: PlannedRead): string {
    return String(this.#planned.push(read) - 1);
  }

  /** The planned read of a handle; throws for a handle that this request did not give out. */
  planned(handle: unknown): PlannedRead {
    const read = typeof handle === 'string' ? this.#planned[Number(handle)] : undefined;
    if (read === undefined) throw new ProblemError(problem('INTERNAL', 'an unknown read handle'));
    return read;
  }
}
