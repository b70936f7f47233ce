import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { type BrokerCalls, ServerAway } from './broker-calls.ts';

type Store = OnlineStore & StampBounds;

/** A region's online store as one process sees it: every call takes time, is never answered to a dead process, and may fail as a whole. */
export function simulatedOnlineStore(inner: Store, calls: BrokerCalls): Store {
  const call = async <T>(effect: () => Promise<T>): Promise<T> => {
    try {
      // The memory store works synchronously, so the effect is done when the call arrives; the promise only carries the answer.
      return await (await calls.ask(() => ({ answer: settled(effect()) }))).answer;
    } catch (error) {
      if (!(error instanceof ServerAway)) throw error;
      throw new ProblemError(problem('STORE_UNAVAILABLE', 'the simulated store does not answer'));
    }
  };
  return {
    ensureTables: tables => call(() => inner.ensureTables(tables)),
    dropTable: table => call(() => inner.dropTable(table)),
    listTables: () => call(() => inner.listTables()),
    apply: step => call(() => inner.apply(step)),
    read: (table, keys) => call(() => inner.read(table, keys)),
    scan: (table, options) => call(() => inner.scan(table, options)),
    purge: (table, rows) => call(() => inner.purge(table, rows)),
    countRows: table => call(() => inner.countRows(table)),
    watermark: name => call(() => inner.watermark(name)),
    appliedPosition: of => call(() => inner.appliedPosition(of)),
    appliedPositions: groupId => call(() => inner.appliedPositions(groupId)),
    idempotency: id => call(() => inner.idempotency(id)),
    countIdempotency: () => call(() => inner.countIdempotency()),
    sweepIdempotency: (beforeMs, limit) => call(() => inner.sweepIdempotency(beforeMs, limit)),
    acquireLease: lease => call(() => inner.acquireLease(lease)),
    stampBoundUs: slot => call(() => inner.stampBoundUs(slot)),
    raiseStampBound: bound => call(() => inner.raiseStampBound(bound)),
    close: () => inner.close(),
  };
}

/** The answer travels later than the effect: until then a rejection has no one to see it. */
function settled<T>(answer: Promise<T>): Promise<T> {
  answer.catch(() => undefined);
  return answer;
}
