import { ProblemError } from '@featuremesh/domain/problem';
import type { JsonClient } from './json-client.ts';

/**
 * Sends a change of definitions to the region given and, where that says that another region has the say now, once to that one. Both
 * clients are closed; `prepare` runs before the second attempt, with the first client.
 */
export async function sentToAuthority<Prepared, Answer>(
  client: JsonClient,
  options: {
    /** A client of the region that accepts definitions instead, at the address that the first one gave. */
    readonly clientAt: (url: string) => JsonClient;
    /** What the second attempt needs to know that only the first region says. */
    readonly prepare: (first: JsonClient) => Promise<Prepared>;
    readonly send: (to: JsonClient, prepared: Prepared | undefined) => Promise<Answer>;
  },
): Promise<Answer> {
  const { clientAt, prepare, send } = options;
  try {
    return await send(client, undefined);
  } catch (error) {
    const url = authorityUrl(error);
    if (url === undefined) throw error;
    const prepared = await prepare(client);
    const authority = clientAt(url);
    try {
      return await send(authority, prepared);
    } finally {
      await authority.close();
    }
  } finally {
    await client.close();
  }
}

/** A home that has the say itself is another matter: the definition names the wrong home, or the caller the wrong region. */
function authorityUrl(error: unknown): string | undefined {
  if (!(error instanceof ProblemError) || error.problem.code !== 'NOT_HOME') return undefined;
  const { registryEpoch, publicUrl } = error.problem.extra ?? {};
  return registryEpoch !== undefined && typeof publicUrl === 'string' ? publicUrl : undefined;
}
