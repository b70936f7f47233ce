import type { SyncStatus } from '@featuremesh/contracts/admin-regions';
import { ProblemError } from '@featuremesh/domain/problem';
import { regionList, syncStatus } from '../http/admin-client.ts';
import { JsonClient } from '../http/json-client.ts';

type Purge = NonNullable<SyncStatus['groups'][number]['purge']>;

/** What one region says of a purged version; `unknown`: it does not know the group; `no answer`: it could not be asked. */
export interface PurgeReceipt {
  readonly region: string;
  readonly rows: Purge['rows'] | 'unknown' | 'no answer';
  /** When its store had no table of it any more. */
  readonly at: string | null;
}

/** Asks every region that the first one knows, at its public address, what became of a purged version's rows there. */
export async function purgeReceipts(
  client: JsonClient,
  bearer: string | undefined,
  version: { readonly id: string; readonly version: number },
): Promise<readonly PurgeReceipt[]> {
  const { regions } = await regionList(client);
  return Promise.all(
    regions.map(async ({ id: region, publicUrl }) => {
      const asked = new JsonClient(publicUrl, bearer);
      try {
        const { groups } = await syncStatus(asked);
        const found = groups.find(one => one.id === version.id && one.version === version.version);
        // A region that has not heard of it yet still has it as any other version.
        const purge = found?.purge ?? { rows: found === undefined ? 'unknown' : 'held', at: null };
        return { region, ...purge } as const;
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        return { region, rows: 'no answer', at: null } as const;
      } finally {
        await asked.close();
      }
    }),
  );
}

/** One region's part in words: `deleted 2026-11-21T20:15:00Z`, `not yet`, `held none`, `does not know it`, `no answer`. */
export function purgeText({ rows, at }: Pick<PurgeReceipt, 'rows' | 'at'>): string {
  switch (rows) {
    case 'deleted':
      return `deleted ${at ?? ''}`.trimEnd();
    case 'held':
      return 'not yet';
    case 'none':
      return 'held none';
    case 'unknown':
      return 'does not know it';
    case 'no answer':
      return rows;
  }
}
