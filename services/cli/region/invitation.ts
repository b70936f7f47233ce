import { createHash } from 'node:crypto';
import {
  type Invitation,
  type InvitationReply,
  invitationBodySchema,
  invitationFileSchema,
  type RegionFace,
} from '@featuremesh/contracts/region-invitation';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import { problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { signText, verifyText } from '@featuremesh/runtime/signing';

/** How long an invitation may be answered, and an answer be taken: a working week, for people in several offices. */
export const INVITATION_VALID_MS = 7 * 24 * 3_600_000;
/** How far the clocks of two regions may differ when an invitation is judged. */
const CLOCK_TOLERANCE_MS = 300_000;

/** Makes and signs an invitation for one region; it can be answered until `nowMs` + seven days. */
export function createInvitation(options: {
  from: RegionFace;
  forRegion: string;
  signingKeyPem: string;
  nonce: string;
  nowMs: number;
  validMs?: number;
}): Invitation {
  const body = invitationBodySchema.parse({
    kind: 'featuremesh-invitation',
    version: 1,
    region: options.from,
    for: options.forRegion,
    nonce: options.nonce,
    issuedAt: new Date(options.nowMs).toISOString(),
    expiresAt: new Date(options.nowMs + (options.validMs ?? INVITATION_VALID_MS)).toISOString(),
  });
  return { body, signature: signText(options.signingKeyPem, canonicalJson(body)) };
}

/** Answers a verified invitation with the own face; both signatures then stand in one file. */
export function createReply(options: {
  invitation: Invitation;
  from: RegionFace;
  signingKeyPem: string;
  nowMs: number;
}): InvitationReply {
  const body = {
    kind: 'featuremesh-invitation-reply' as const,
    version: 1 as const,
    region: options.from,
    answers: options.invitation,
    issuedAt: new Date(options.nowMs).toISOString(),
  };
  return { body, signature: signText(options.signingKeyPem, canonicalJson(body)) };
}

/** Reads an invitation or an answer from a file's text; INVALID_INVITATION with the places that are wrong. */
export function parseInvitationFile(text: string): Result<Invitation | InvitationReply> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid('the file is not JSON; ask the other region to send it again');
  }
  const parsed = invitationFileSchema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  return invalid(
    'the file is neither an invitation nor the answer to one; it may have been shortened or edited',
  );
}

/** True where the parsed file is an answer. */
export function isReply(file: Invitation | InvitationReply): file is InvitationReply {
  return file.body.kind === 'featuremesh-invitation-reply';
}

/** Judges an invitation for the region `own`: signature, addressee, dates. INVALID_INVITATION says which. */
export function verifyInvitation(invitation: Invitation, own: string, nowMs: number): Result<RegionFace> {
  const { body, signature } = invitation;
  if (!verifyText(body.region.publicKey, canonicalJson(body), signature)) {
    return invalid(
      `the signature of ${body.region.id} does not verify: the invitation was changed on its way`,
    );
  }
  if (body.for !== own) return invalid(`it was written for region ${body.for}, not for ${own}`);
  if (body.region.id === own) return invalid('a region cannot join itself');
  const wrongTime = judgeTime(body, nowMs);
  return wrongTime === undefined ? ok(body.region) : invalid(wrongTime);
}

/** Judges an answer to an invitation of this region: its own signature inside, the answering region's outside, dates. */
export function verifyReply(
  reply: InvitationReply,
  own: { id: string; publicKey: string },
  nowMs: number,
): Result<RegionFace> {
  const { body, signature } = reply;
  const invitation = body.answers;
  if (invitation.body.region.id !== own.id || invitation.body.region.publicKey !== own.publicKey) {
    return invalid(`it answers an invitation of region ${invitation.body.region.id}, not one of ${own.id}`);
  }
  if (!verifyText(own.publicKey, canonicalJson(invitation.body), invitation.signature)) {
    return invalid('the invitation inside the answer is not the one that this region signed');
  }
  if (invitation.body.for !== body.region.id) {
    return invalid(`the invitation was for region ${invitation.body.for}, and ${body.region.id} answers it`);
  }
  if (!verifyText(body.region.publicKey, canonicalJson(body), signature)) {
    return invalid(`the signature of ${body.region.id} does not verify: the answer was changed on its way`);
  }
  const wrongTime = judgeTime(invitation.body, nowMs);
  return wrongTime === undefined ? ok(body.region) : invalid(wrongTime);
}

/** A short form of a public key for two people to compare on the telephone: eight groups of four hex digits. */
export function fingerprint(publicKey: string): string {
  const hex = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex').slice(0, 32);
  return hex.match(/.{4}/g)?.join(' ') ?? hex;
}

function judgeTime(body: Invitation['body'], nowMs: number): string | undefined {
  if (Date.parse(body.expiresAt) < nowMs) return `it expired at ${body.expiresAt}; ask for a new one`;
  if (Date.parse(body.issuedAt) > nowMs + CLOCK_TOLERANCE_MS) {
    return `it was issued at ${body.issuedAt}, which lies in the future: compare the clocks of the two machines`;
  }
  return undefined;
}

function invalid(detail: string): Result<never> {
  return fail(problem('INVALID_INVITATION', detail));
}
