import type { Invitation, InvitationReply, RegionFace } from '@featuremesh/contracts/region-invitation';
import { generateSigningKey } from '@featuremesh/runtime/signing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createInvitation,
  createReply,
  fingerprint,
  INVITATION_VALID_MS,
  isReply,
  parseInvitationFile,
  verifyInvitation,
  verifyReply,
} from './invitation.ts';
import { createLinkKey } from './link-key.ts';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const east = region('us-east-1', 'US', 7400);
const europe = region('eu-west-1', 'EU', 7500);
const stranger = region('ap-south-1', 'IN', 7600);

function region(id: string, jurisdiction: string, port: number): { face: RegionFace; pem: string } {
  const key = generateSigningKey();
  const face = {
    id,
    jurisdiction,
    cloud: 'local',
    publicKey: key.publicKey,
    linkKey: createLinkKey().publicKey,
    linkUrl: `nats-leaf://127.0.0.1:${port + 3}`,
    publicUrl: `http://127.0.0.1:${port}`,
    publicGatewayUrl: `http://127.0.0.1:${port + 1}`,
  };
  return { face, pem: key.privateKeyPem };
}

function invite(): Invitation {
  return createInvitation({
    from: east.face,
    forRegion: 'eu-west-1',
    signingKeyPem: east.pem,
    nonce: 'abcdefghijklmnopqrst',
    nowMs: NOW_MS,
  });
}

function reply(): InvitationReply {
  return createReply({ invitation: invite(), from: europe.face, signingKeyPem: europe.pem, nowMs: NOW_MS });
}

const own = { id: east.face.id, publicKey: east.face.publicKey };

test('an invitation and its answer are accepted by the two regions they name, after travelling as files', () => {
  const invitation = parseInvitationFile(JSON.stringify(invite(), undefined, 2));
  if (!invitation.ok || isReply(invitation.value)) throw new Error('not read as an invitation');
  expect(verifyInvitation(invitation.value, 'eu-west-1', NOW_MS)).toEqual({ ok: true, value: east.face });
  const answer = parseInvitationFile(JSON.stringify(reply()));
  if (!answer.ok || !isReply(answer.value)) throw new Error('not read as an answer');
  expect(verifyReply(answer.value, own, NOW_MS)).toEqual({ ok: true, value: europe.face });
});

test('no change of any text in an invitation goes unnoticed', () => {
  const original = invite();
  const fields = Object.keys(original.body.region) as (keyof RegionFace)[];
  fc.assert(
    fc.property(fc.constantFrom(...fields), fc.string({ minLength: 1, maxLength: 8 }), (field, extra) => {
      const changed = structuredClone(original);
      changed.body.region[field] = `${changed.body.region[field]}${extra}`;
      expect(verifyInvitation(changed, 'eu-west-1', NOW_MS)).toMatchObject({
        ok: false,
        problem: { code: 'INVALID_INVITATION' },
      });
    }),
  );
  for (const field of ['nonce', 'for', 'issuedAt', 'expiresAt'] as const) {
    const changed = structuredClone(original);
    changed.body[field] =
      field === 'expiresAt' ? '2036-03-01T12:00:00.000Z' : `${changed.body[field]}`.replace(/.$/, 'x');
    expect(verifyInvitation(changed, changed.body.for, NOW_MS).ok).toBe(false);
  }
});

test('an invitation signed by another key than it shows is refused', () => {
  const forged = createInvitation({
    from: east.face,
    forRegion: 'eu-west-1',
    signingKeyPem: stranger.pem,
    nonce: 'abcdefghijklmnopqrst',
    nowMs: NOW_MS,
  });
  expect(verifyInvitation(forged, 'eu-west-1', NOW_MS)).toMatchObject({ ok: false });
});

test('an invitation is refused after its end, and from the future', () => {
  const late = verifyInvitation(invite(), 'eu-west-1', NOW_MS + INVITATION_VALID_MS + 1);
  expect(late).toMatchObject({ ok: false, problem: { detail: expect.stringContaining('expired') } });
  const early = verifyInvitation(invite(), 'eu-west-1', NOW_MS - 600_000);
  expect(early).toMatchObject({ ok: false, problem: { detail: expect.stringContaining('clocks') } });
});

test('an invitation for another region is refused, also by the one that wrote it', () => {
  expect(verifyInvitation(invite(), 'ap-south-1', NOW_MS)).toMatchObject({
    ok: false,
    problem: { code: 'INVALID_INVITATION', detail: expect.stringContaining('eu-west-1') },
  });
  expect(verifyInvitation(invite(), 'us-east-1', NOW_MS).ok).toBe(false);
});

test('an answer counts only with the own signature inside, by the invited region, unchanged, in time', () => {
  expect(verifyReply(reply(), { id: 'us-east-1', publicKey: stranger.face.publicKey }, NOW_MS).ok).toBe(
    false,
  );
  const byStranger = createReply({
    invitation: invite(),
    from: stranger.face,
    signingKeyPem: stranger.pem,
    nowMs: NOW_MS,
  });
  expect(verifyReply(byStranger, own, NOW_MS)).toMatchObject({
    ok: false,
    problem: { detail: expect.stringContaining('ap-south-1') },
  });
  const posing = createReply({
    invitation: invite(),
    from: { ...europe.face },
    signingKeyPem: stranger.pem,
    nowMs: NOW_MS,
  });
  expect(verifyReply(posing, own, NOW_MS).ok).toBe(false);
  const inner = structuredClone(reply());
  inner.body.answers.body.expiresAt = '2036-01-01T00:00:00.000Z';
  expect(verifyReply(inner, own, NOW_MS).ok).toBe(false);
  expect(verifyReply(reply(), own, NOW_MS + INVITATION_VALID_MS + 1).ok).toBe(false);
});

test('files that are something else are refused with a reason', () => {
  for (const text of ['', '{', '[]', '{"body":{}}', JSON.stringify({ ...invite(), extra: 1 })]) {
    expect(parseInvitationFile(text)).toMatchObject({ ok: false, problem: { code: 'INVALID_INVITATION' } });
  }
});

test('fingerprints are readable and differ', () => {
  expect(fingerprint(east.face.publicKey)).toMatch(/^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
  expect(fingerprint(east.face.publicKey)).not.toBe(fingerprint(europe.face.publicKey));
});
