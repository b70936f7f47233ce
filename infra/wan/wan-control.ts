import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { z } from 'zod';
import { type WanChange, wanStateSchema } from './control-protocol.ts';
import type { PathState } from './wan-path.ts';

/** The proxy answers at once; a change waits for a few ports at most. */
const ANSWER_TIMEOUT_MS = 5_000;

const refusalSchema = z.looseObject({ code: z.custom<ErrorCode>(isErrorCode), detail: z.string() });

/** Changes the network between regions through the control URL of mesh.json; returns the state of all paths. */
export function changeWan(controlUrl: string, change: WanChange): Promise<readonly PathState[]> {
  return exchange(`${controlUrl}/v1/change`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
  });
}

/** State of all paths. REGION_UNAVAILABLE where the proxy does not answer. */
export function showWan(controlUrl: string): Promise<readonly PathState[]> {
  return exchange(`${controlUrl}/v1/paths`, {});
}

async function exchange(url: string, init: RequestInit): Promise<readonly PathState[]> {
  let status: number;
  let value: unknown;
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    status = answer.status;
    value = await answer.json();
  } catch (error) {
    throw new ProblemError(problem('REGION_UNAVAILABLE', `the proxy at ${url} does not answer`), {
      cause: error,
    });
  }
  if (status === 200) return wanStateSchema.parse(value).paths;
  const refusal = refusalSchema.safeParse(value);
  throw new ProblemError(
    refusal.success
      ? problem(refusal.data.code, refusal.data.detail)
      : problem('INTERNAL', `the proxy answered ${status}`),
  );
}

function isErrorCode(value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}
