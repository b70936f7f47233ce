import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { IngestService } from '../ingest/ingest-service.ts';

/**
 * The write path before it exists: routes are registered before the process listens, but the log appears only once the sync
 * agent, which asks this process first, has made it. Until then writes are LOG_UNAVAILABLE.
 */
export class LateIngest implements Pick<IngestService, 'admit' | 'write'> {
  #ingest: IngestService | undefined;

  /** From now on writes go to `ingest`. */
  provide(ingest: IngestService): void {
    this.#ingest = ingest;
  }

  admit(bytes: number): () => void {
    return this.#provided().admit(bytes);
  }

  write(command: Parameters<IngestService['write']>[0]): ReturnType<IngestService['write']> {
    return this.#provided().write(command);
  }

  #provided(): IngestService {
    if (this.#ingest !== undefined) return this.#ingest;
    throw new ProblemError(problem('LOG_UNAVAILABLE', 'the change log is not there yet'));
  }
}
