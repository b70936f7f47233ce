import {
  createHmac,
  createPrivateKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  sign,
  timingSafeEqual,
} from 'node:crypto';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { errors, jwtVerify } from 'jose';
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
const sealedSchema = payloadSchema.extend({ aud: z.string(), iat: z.number(), exp: z.number() });

/** The protected header of every signed token, encoded: the algorithm is no choice of anybody's. */
const SIGNED_HEADER = base64url(JSON.stringify({ alg: ALGORITHM }));
/** First part of a token under a region's internal key; no JWS begins so. */
const INTERNAL_HEADER = 'fm-internal-1';
const MAC_BYTES = 32;

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
  sign(claims: Omit<RegionTokenClaims, 'gatewayRegion'>, audience: RegionId): string {
    const text = `${SIGNED_HEADER}.${this.#payload(claims, audience)}`;
    return `${text}.${sign(null, Buffer.from(text), this.#key).toString('base64url')}`;
  }

  /**
   * The same statement to a service of the own region, under the key that both derive from the region's internal token: a tenth of a
   * signature's cost. Whoever holds that token may do more by the internal API than this permits.
   */
  seal(claims: Omit<RegionTokenClaims, 'gatewayRegion'>, internalKey: InternalKey): string {
    const text = `${INTERNAL_HEADER}.${this.#payload(claims, this.#region)}`;
    return `${text}.${macOf(text, internalKey).toString('base64url')}`;
  }

  #payload(claims: Omit<RegionTokenClaims, 'gatewayRegion'>, audience: RegionId): string {
    const nowMs = this.#clock.nowMs();
    const expiresMs = Math.min(Math.max(claims.deadlineMs, nowMs), nowMs + REGION_TOKEN_LIFE_MS);
    return base64url(
      JSON.stringify({
        caller: claims.caller,
        deadlineMs: claims.deadlineMs,
        ticketHash: claims.ticketHash,
        iss: this.#region,
        aud: `${AUDIENCE}/${audience}`,
        iat: Math.floor(nowMs / 1000),
        exp: Math.ceil(expiresMs / 1000),
      }),
    );
  }
}

/** What a region's own processes seal by; derived from the internal token, so that the token itself signs nothing. */
export type InternalKey = KeyObject & { readonly __brand: 'InternalKey' };

/** The sealing key of an internal token. */
export function internalKeyOf(internalToken: string): InternalKey {
  const derived = hkdfSync('sha256', internalToken, '', 'featuremesh gateway to own service', MAC_BYTES);
  return createSecretKey(Buffer.from(derived)) as InternalKey;
}

function macOf(text: string, key: InternalKey): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** Verifies requests that gateways of known regions signed; imported keys are kept, one per region. */
export class RegionTokenVerifier {
  readonly #region: RegionId;
  readonly #clock: Clock;
  readonly #publicKeyOf: (region: string) => string | undefined;
  readonly #internalKey: InternalKey | undefined;
  readonly #keys = new Map<string, { readonly text: string; readonly key: KeyObject }>();

  /**
   * `publicKeyOf` gives base64 of a known region's raw key, undefined for others; asked each time, so that a changed key counts at once.
   * Without `internalToken` nothing sealed is accepted.
   */
  constructor(options: {
    readonly region: RegionId;
    readonly clock: Clock;
    readonly publicKeyOf: (region: string) => string | undefined;
    readonly internalToken?: string;
  }) {
    const { internalToken } = options;
    this.#internalKey = internalToken === undefined ? undefined : internalKeyOf(internalToken);
    this.#region = options.region;
    this.#clock = options.clock;
    this.#publicKeyOf = options.publicKeyOf;
  }

  /** The claims of a token, or UNAUTHENTICATED. `ticketHash` and the deadline are the caller's to compare. */
  async verify(token: string): Promise<Result<RegionTokenClaims>> {
    if (token.startsWith(`${INTERNAL_HEADER}.`)) return this.#opened(token);
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

  /** A sealed token speaks for this region's own gateway and for nobody else; the same rules of time and audience hold. */
  #opened(token: string): Result<RegionTokenClaims> {
    const end = token.lastIndexOf('.');
    const mac = Buffer.from(token.slice(end + 1), 'base64url');
    const text = token.slice(0, end);
    const key = this.#internalKey;
    if (key === undefined || mac.length !== MAC_BYTES || !timingSafeEqual(mac, macOf(text, key)))
      return fail(refused('it does not verify'));
    const parsed = sealedSchema.safeParse(
      readJson(Buffer.from(text.slice(INTERNAL_HEADER.length + 1), 'base64url').toString('utf8')),
    );
    if (!parsed.success) return fail(refused('it does not verify'));
    const { iss, aud, iat, exp, ...claims } = parsed.data;
    const nowS = this.#clock.nowMs() / 1000;
    const isCurrent =
      exp > nowS - CLOCK_TOLERANCE_SECONDS &&
      iat < nowS + CLOCK_TOLERANCE_SECONDS &&
      nowS - iat < REGION_TOKEN_LIFE_MS / 1000 + CLOCK_TOLERANCE_SECONDS;
    if (iss !== this.#region || aud !== `${AUDIENCE}/${this.#region}` || !isCurrent)
      return fail(refused('it does not verify'));
    return ok({ gatewayRegion: this.#region, ...claims });
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
  const payload = readJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const parsed = z.object({ iss: z.string() }).safeParse(payload);
  return parsed.success ? parsed.data.iss : undefined;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(reason: string): Problem {
  return problem('UNAUTHENTICATED', `the gateway's token is refused: ${reason}`);
}
