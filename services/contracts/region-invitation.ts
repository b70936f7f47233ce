import { z } from 'zod';

const regionName = z.string().regex(/^[a-z0-9-]{1,24}$/, 'not a region id');

const regionFaceSchema = z.strictObject({
  id: regionName,
  jurisdiction: z.string().min(1).max(64),
  cloud: z.string().min(1).max(64),
  publicKey: z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'not a base64 Ed25519 public key'),
  linkKey: z.string().regex(/^U[A-Z2-7]{55}$/, 'not a public user key of the broker'),
  linkUrl: z.string().regex(/^(nats-leaf|nats|tls):\/\/\S+$/, 'nats-leaf://host:port'),
  publicUrl: z.url(),
  publicGatewayUrl: z.url(),
});

/** What a region shows of itself when it joins another: addresses and public keys, no secret. */
export type RegionFace = z.infer<typeof regionFaceSchema>;

/** What an invitation signs, as canonical JSON. */
export const invitationBodySchema = z.strictObject({
  kind: z.literal('featuremesh-invitation'),
  version: z.literal(1),
  region: regionFaceSchema,
  for: regionName,
  nonce: z.string().regex(/^[a-z0-9]{16,64}$/),
  issuedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});

const invitationSchema = z.strictObject({
  body: invitationBodySchema,
  signature: z.string().min(1).max(128),
});

/** A region's offer to one other region to join it, signed with the offering region's key. */
export type Invitation = z.infer<typeof invitationSchema>;

const replySchema = z.strictObject({
  body: z.strictObject({
    kind: z.literal('featuremesh-invitation-reply'),
    version: z.literal(1),
    region: regionFaceSchema,
    answers: invitationSchema,
    issuedAt: z.iso.datetime(),
  }),
  signature: z.string().min(1).max(128),
});

/** The answer: the invitation as it came and the answering region's own face, signed by the latter. */
export type InvitationReply = z.infer<typeof replySchema>;

/** A file that `fmesh region add` takes. */
export const invitationFileSchema = z.union([invitationSchema, replySchema]);
