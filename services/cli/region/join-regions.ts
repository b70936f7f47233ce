import { readFile } from 'node:fs/promises';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import type { RegionFace } from '@featuremesh/contracts/region-invitation';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Clock } from '@featuremesh/runtime/clock';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import type { Random } from '@featuremesh/runtime/random';
import { publicKeyOf, readPrivateKey } from '@featuremesh/runtime/signing';
import {
  createInvitation,
  createReply,
  isReply,
  parseInvitationFile,
  verifyInvitation,
  verifyReply,
} from './invitation.ts';
import { linkPublicKey } from './link-key.ts';
import { addPeer } from './region-document.ts';

/** Characters of an invitation's nonce: 100 bits. */
const NONCE_CHARACTERS = 20;

/** What joining needs beside files. */
export interface JoinTools {
  readonly clock: Clock;
  readonly random: Random;
}

/** What `region add` did. */
export interface Joined {
  readonly peer: RegionFace;
  /** Whether region.yaml changed. */
  readonly changed: boolean;
  /** Where the answer for the other region was written; undefined where the file was an answer itself. */
  readonly replyPath: string | undefined;
}

/** Writes an invitation of the region in `configPath` for region `forRegion` and returns what it shows. */
export async function inviteRegion(
  options: { configPath: string; forRegion: string; outPath: string },
  tools: JoinTools,
): Promise<RegionFace> {
  const own = await loadOwn(options.configPath);
  if (options.forRegion === own.face.id)
    throw new ProblemError(problem('INVALID_REQUEST', 'a region cannot invite itself'));
  const invitation = createInvitation({
    from: own.face,
    forRegion: options.forRegion,
    signingKeyPem: own.signingKeyPem,
    nonce: tools.random.base32(NONCE_CHARACTERS),
    nowMs: tools.clock.nowMs(),
  });
  await writeFileAtomic(options.outPath, `${JSON.stringify(invitation, undefined, 2)}\n`);
  return own.face;
}

/**
 * Takes an invitation (and writes the answer to `replyPath`) or an answer, verifies it, and names the other region as a peer
 * in region.yaml. INVALID_INVITATION where it is not what it should be; the file is then unchanged.
 */
export async function addRegion(
  options: { configPath: string; invitationPath: string; replyPath: string | undefined },
  tools: JoinTools,
): Promise<Joined> {
  const own = await loadOwn(options.configPath);
  const nowMs = tools.clock.nowMs();
  const file = parseInvitationFile(await readText(options.invitationPath));
  if (!file.ok) throw new ProblemError(file.problem);
  if (isReply(file.value)) {
    const peer = verifyReply(file.value, own.face, nowMs);
    if (!peer.ok) throw new ProblemError(peer.problem);
    return {
      peer: peer.value,
      changed: await addPeer(options.configPath, asPeer(peer.value)),
      replyPath: undefined,
    };
  }
  const peer = verifyInvitation(file.value, own.face.id, nowMs);
  if (!peer.ok) throw new ProblemError(peer.problem);
  if (options.replyPath === undefined) {
    throw new ProblemError(
      problem('INVALID_REQUEST', '--out is needed: the answer goes back to the inviting region'),
    );
  }
  const reply = createReply({
    invitation: file.value,
    from: own.face,
    signingKeyPem: own.signingKeyPem,
    nowMs,
  });
  const changed = await addPeer(options.configPath, asPeer(peer.value));
  await writeFileAtomic(options.replyPath, `${JSON.stringify(reply, undefined, 2)}\n`);
  return { peer: peer.value, changed, replyPath: options.replyPath };
}

async function loadOwn(configPath: string): Promise<{ face: RegionFace; signingKeyPem: string }> {
  const config = loadRegionConfig(configPath);
  const signingKeyPem = readPrivateKey(config.keys.signing);
  const seed = await readText(config.keys.link);
  return {
    signingKeyPem,
    face: {
      id: config.id,
      jurisdiction: config.jurisdiction,
      cloud: config.cloud,
      publicKey: publicKeyOf(signingKeyPem),
      linkKey: linkPublicKey(seed),
      linkUrl: linkUrlOf(config),
      publicUrl: config.publicUrl,
      publicGatewayUrl: config.publicGatewayUrl,
    },
  };
}

function linkUrlOf(config: RegionConfig): string {
  const leaf = config.nats.embedded?.leafAdvertise ?? config.nats.embedded?.leaf;
  if (leaf === undefined) {
    throw new ProblemError(
      problem(
        'NOT_YET_SUPPORTED',
        'an invitation of a region with a broker of its own (`nats.url`) comes later',
      ),
    );
  }
  return `nats-leaf://${leaf.host.includes(':') ? `[${leaf.host}]` : leaf.host}:${leaf.port}`;
}

function asPeer(face: RegionFace) {
  return {
    id: regionId(face.id),
    jurisdiction: face.jurisdiction,
    cloud: face.cloud,
    linkUrl: face.linkUrl,
    publicUrl: face.publicUrl,
    publicGatewayUrl: face.publicGatewayUrl,
    publicKey: face.publicKey,
    linkKey: face.linkKey,
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ProblemError(problem('INVALID_REQUEST', `${path} cannot be read`), { cause: error });
  }
}
