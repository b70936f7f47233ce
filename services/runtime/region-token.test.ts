import { regionId } from '@featuremesh/domain/region-id';
import { describe, expect, it } from 'vitest';
import {
  internalKeyOf,
  REGION_TOKEN_LIFE_MS,
  type RegionTokenClaims,
  RegionTokenSigner,
  RegionTokenVerifier,
} from './region-token.ts';
import { generateSigningKey } from './signing.ts';

const [US, EU] = [regionId('us-east-1'), regionId('eu-west-1')];
const NOW_MS = 1_700_000_000_000;

function world() {
  const time = { nowMs: NOW_MS };
  const clock = { nowMs: () => time.nowMs, nowUs: () => BigInt(time.nowMs) * 1_000n };
  const key = generateSigningKey();
  const keys = new Map<string, string>([[US, key.publicKey]]);
  const signer = new RegionTokenSigner({ privateKeyPem: key.privateKeyPem, region: US, clock });
  const verifier = new RegionTokenVerifier({ region: EU, clock, publicKeyOf: region => keys.get(region) });
  return { time, clock, keys, signer, verifier };
}

const CLAIMS: Omit<RegionTokenClaims, 'gatewayRegion'> = {
  caller: { jurisdictions: ['US', 'EU'], purposes: 'all' },
  deadlineMs: NOW_MS + 2_000,
  ticketHash: 'abc',
};

describe('region token', () => {
  it('tells the asked region which gateway asks for whom', async () => {
    const { signer, verifier } = world();
    expect(await verifier.verify(signer.sign(CLAIMS, EU))).toEqual({
      ok: true,
      value: { gatewayRegion: US, ...CLAIMS },
    });
  });

  const refused = { ok: false, problem: { code: 'UNAUTHENTICATED' } };

  it('is refused by another region than the one asked', async () => {
    const { signer, verifier } = world();
    expect(await verifier.verify(signer.sign(CLAIMS, US))).toMatchObject(refused);
  });

  it('is refused after its life, and when it comes from the future', async () => {
    const { signer, verifier, time } = world();
    const token = signer.sign(CLAIMS, EU);
    time.nowMs = NOW_MS + 6_000;
    expect((await verifier.verify(token)).ok).toBe(true);
    time.nowMs = NOW_MS + REGION_TOKEN_LIFE_MS;
    expect(await verifier.verify(token)).toMatchObject(refused);
    time.nowMs = NOW_MS - 3_600_000;
    expect(await verifier.verify(token)).toMatchObject(refused);
  });

  it('does not live longer than its bound, however late the deadline', async () => {
    const { signer, verifier, time } = world();
    const token = signer.sign({ ...CLAIMS, deadlineMs: NOW_MS + 86_400_000 }, EU);
    time.nowMs = NOW_MS + REGION_TOKEN_LIFE_MS + 6_000;
    expect(await verifier.verify(token)).toMatchObject(refused);
  });

  it('is refused from an unknown region, by a foreign key, and after the region’s key changed', async () => {
    const { verifier, keys, clock, signer } = world();
    const foreign = new RegionTokenSigner({
      privateKeyPem: generateSigningKey().privateKeyPem,
      region: US,
      clock,
    });
    expect(await verifier.verify(foreign.sign(CLAIMS, EU))).toMatchObject(refused);
    const token = signer.sign(CLAIMS, EU);
    expect((await verifier.verify(token)).ok).toBe(true);
    keys.set(US, generateSigningKey().publicKey);
    expect(await verifier.verify(token)).toMatchObject(refused);
    keys.delete(US);
    expect(await verifier.verify(token)).toMatchObject(refused);
  });

  it('is refused when altered, unsigned or no token', async () => {
    const { signer, verifier } = world();
    const [header, , signature] = signer.sign(CLAIMS, EU).split('.');
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const payload = encode({
      iss: US,
      aud: `featuremesh-region/${EU}`,
      iat: NOW_MS / 1000,
      exp: NOW_MS / 1000 + 5,
      ...CLAIMS,
    });
    for (const token of [
      `${header}.${payload}.${signature}`,
      `${encode({ alg: 'none' })}.${payload}.`,
      '',
      'a.b.c',
      'x'.repeat(50),
    ]) {
      expect(await verifier.verify(token)).toMatchObject(refused);
    }
  });
});

describe('a token sealed for the own region', () => {
  const TOKEN = 'a'.repeat(43);
  const refused = { ok: false, problem: { code: 'UNAUTHENTICATED' } };

  function own(internalToken: string | undefined = TOKEN, region = US) {
    const { clock, time, signer, keys } = world();
    const verifier = new RegionTokenVerifier({
      region,
      clock,
      publicKeyOf: id => keys.get(id),
      ...(internalToken === '' ? {} : { internalToken }),
    });
    return { verifier, signer, time, clock, sealed: signer.seal(CLAIMS, internalKeyOf(TOKEN)) };
  }

  it('says the same as a signed one', async () => {
    const { verifier, sealed, signer } = own();
    expect(await verifier.verify(sealed)).toEqual({ ok: true, value: { gatewayRegion: US, ...CLAIMS } });
    expect(await verifier.verify(signer.sign(CLAIMS, US))).toEqual(await verifier.verify(sealed));
  });

  it('is refused under another internal token, without one, and by another region that has the same', async () => {
    for (const { verifier, sealed } of [own('b'.repeat(43)), own(''), own(TOKEN, EU)])
      expect(await verifier.verify(sealed)).toMatchObject(refused);
  });

  it('is refused where it names another gateway, even under the right key', async () => {
    const { verifier, clock } = own();
    const other = new RegionTokenSigner({
      privateKeyPem: generateSigningKey().privateKeyPem,
      region: EU,
      clock,
    });
    expect(await verifier.verify(other.seal(CLAIMS, internalKeyOf(TOKEN)))).toMatchObject(refused);
  });

  it('is refused after its life, before its time, and when any part is altered', async () => {
    const { verifier, sealed, time } = own();
    for (const nowMs of [NOW_MS + REGION_TOKEN_LIFE_MS, NOW_MS - 3_600_000]) {
      time.nowMs = nowMs;
      expect(await verifier.verify(sealed)).toMatchObject(refused);
    }
    time.nowMs = NOW_MS;
    const [header = '', payload = '', mac = ''] = sealed.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as object;
    const wider = Buffer.from(JSON.stringify({ ...claims, ticketHash: 'other' })).toString('base64url');
    for (const token of [
      `${header}.${wider}.${mac}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${header}.${payload}.${'A'.repeat(43)}`,
      `${header}..${mac}`,
    ])
      expect(await verifier.verify(token)).toMatchObject(refused);
  });
});
