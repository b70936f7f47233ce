import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from './clock.ts';
import { importPublicKey } from './signing.ts';

/** Longest life of a token: a region's deadline with room for clocks that differ. */
export const REGION_TOKEN_LIFE_MS = 10_000;

/** How far the clocks of two regions may differ. */
const CLOCK_TOLERANCE_SECONDS = 5;
const AUDIENCE = 'featuremesh-region';
const ALGORITHM = 'EdDSA';

const claimSchema = z.union([z.literal('all'), z.array(z.string())]);

/** What a caller holds, as its gateway found out. */
export interface CallerClaims {
  readonly jurisdictions: readonly string[] | 'all';
  readonly purposes: readonly string[] | 'all';
}

/** What a gateway states, signed with its region's key, when it asks a region (A6). */
export interface RegionTokenClaims {
  /** The region whose gateway asks; the issuer of the token. */
  readonly gatewayRegion: RegionId;
  readonly caller: CallerClaims;
  /** When the caller no longer waits: ms since the Unix epoch, the gateway's clock. */
  readonly deadlineMs: number;
  /** Hash of the tickets that are asked for, so that a token fits no other request. */
  readonly ticketHash: string;
}

const payloadSchema = z.object({
  iss: z.string().regex(/^[a-z0-9-]{1,24}$/),
  caller: z.object({ jurisdictions: claimSchema, purposes: claimSchema }),
  deadlineMs: z.int().min(0),
  ticketHash: z.string().max(128),
});

/** Signs requests of one gateway. */
export class RegionTokenSigner {
  readonly #key: KeyObject;
  readonly #region: RegionId;
  readonly #clock: Clock;

  constructor(options: { readonly privateKeyPem: string; readonly region: RegionId; readonly clock: Clock }) {
    this.#key = createPrivateKey(options.privateKeyPem);
    this.#region = options.region;
    this.#clock = options.clock;
  }

  /** A compact JWS (EdDSA) for `audience`, the region that is asked, valid until shortly after the deadline. */
  sign(claims: Omit<RegionTokenClaims, 'gatewayRegion'>, audience: RegionId): Promise<string> {
    const nowMs = this.#clock.nowMs();
    const expiresMs = Math.min(Math.max(claims.deadlineMs, nowMs), nowMs + REGION_TOKEN_LIFE_MS);
    return new SignJWT({
      caller: claims.caller,
      deadlineMs: claims.deadlineMs,
      ticketHash: claims.ticketHash,
    })
      .setProtectedHeader({ alg: ALGORITHM })
      .setIssuer(this.#region)
      .setAudience(`${AUDIENCE}/${audience}`)
      .setIssuedAt(Math.floor(nowMs / 1000))
      .setExpirationTime(Math.ceil(expiresMs / 1000))
      .sign(this.#key);
  }
}

/** Verifies requests that gateways of known regions signed; imported keys are kept, one per region. */
export class RegionTokenVerifier {
  readonly #region: RegionId;
  readonly #clock: Clock;
  readonly #publicKeyOf: (region: string) => string | undefined;
  readonly #keys = new Map<string, { readonly text: string; readonly key: KeyObject }>();

  /** `publicKeyOf` gives base64 of a known region's raw key, undefined for others; asked each time, so that a changed key counts at once. */
  constructor(options: {
    readonly region: RegionId;
    readonly clock: Clock;
    readonly publicKeyOf: (region: string) => string | undefined;
  }) {
    this.#region = options.region;
    this.#clock = options.clock;
    this.#publicKeyOf = options.publicKeyOf;
  }

  /** The claims of a token, or UNAUTHENTICATED. `ticketHash` and the deadline are the caller's to compare. */
  async verify(token: string): Promise<Result<RegionTokenClaims>> {
    try {
      const issuer = issuerOf(token);
      const key = issuer === undefined ? undefined : this.#key(issuer);
      if (issuer === undefined || key === undefined) return fail(refused('its issuer is no known region'));
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        issuer,
        audience: `${AUDIENCE}/${this.#region}`,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        maxTokenAge: REGION_TOKEN_LIFE_MS / 1000,
        currentDate: new Date(this.#clock.nowMs()),
      });
      const { iss, ...claims } = payloadSchema.parse(payload);
      return ok({ gatewayRegion: iss as RegionId, ...claims });
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof z.ZodError)
        return fail(refused('it does not verify'));
      throw error;
    }
  }

  #key(region: string): KeyObject | undefined {
    const text = this.#publicKeyOf(region);
    if (text === undefined) return undefined;
    const kept = this.#keys.get(region);
    if (kept?.text === text) return kept.key;
    const key = importPublicKey(text);
    if (key !== undefined) this.#keys.set(region, { text, key });
    return key;
  }
}

/** Who the token says signed it, before anything is verified: only to choose the key. */
function issuerOf(token: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const parsed = z.object({ iss: z.string() }).safeParse(payload);
    return parsed.success ? parsed.data.iss : undefined;
  } catch {
    return undefined;
  }
}

function refused(reason: string): Problem {
  return problem('UNAUTHENTICATED', `the gateway's token is refused: ${reason}`);
}
