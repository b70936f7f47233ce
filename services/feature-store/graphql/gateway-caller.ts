import { hash } from 'node:crypto';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import type { Clock } from '@featuremesh/runtime/clock';
import type { RegionTokenVerifier } from '@featuremesh/runtime/region-token';
import type { ReadCaller } from '../serving/ticket-reader.ts';

/** Binds a gateway's token to the representations it asks for. */
function representationsHash(representationsJson: string): string {
  return hash('sha256', representationsJson, 'hex');
}

/** Who asks over the region contract: the claims of a gateway whose token verifies and fits this very request. */
export class GatewayCallers {
  readonly #verifier: RegionTokenVerifier;
  readonly #clock: Clock;

  constructor(options: { readonly verifier: RegionTokenVerifier; readonly clock: Clock }) {
    this.#verifier = options.verifier;
    this.#clock = options.clock;
  }

  /** The caller of a request, or UNAUTHENTICATED, or DEADLINE_EXCEEDED where nobody waits for the answer any more. */
  async callerOf(request: {
    readonly authorization: string | undefined;
    readonly body: unknown;
  }): Promise<Result<ReadCaller>> {
    const { authorization } = request;
    if (authorization === undefined || !authorization.startsWith('Bearer '))
      return fail(unauthenticated('a gateway token is needed'));
    const claims = await this.#verifier.verify(authorization.slice('Bearer '.length));
    if (!claims.ok) return claims;
    const { gatewayRegion, caller, deadlineMs, ticketHash } = claims.value;
    if (ticketHash !== representationsHash(representationsOf(request.body)))
      return fail(unauthenticated('the token was made for other tickets'));
    if (deadlineMs < this.#clock.nowMs())
      return fail(problem('DEADLINE_EXCEEDED', 'the deadline has passed'));
    return ok({ ...caller, gatewayRegion });
  }
}

/** The JSON text of the variable that holds the tickets; a request without it has no tickets. */
function representationsOf(body: unknown): string {
  const variables = member(body, 'variables');
  return JSON.stringify(member(variables, 'representations') ?? []);
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function unauthenticated(detail: string): Problem {
  return problem('UNAUTHENTICATED', detail);
}
