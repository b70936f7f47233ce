import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PeerConfig, RegionConfig } from '@featuremesh/contracts/region-config';
import { MAX_PAYLOAD_BYTES } from '@featuremesh/domain/limits';
import {
  CTL_STREAM,
  LINK_DURABLE,
  LINK_PROGRESS_SUBJECT,
  linkApiPrefix,
  OUT_STREAM,
} from '@featuremesh/domain/subjects';
import {
  type BrokerFiles,
  brokerFiles,
  relayFile,
  relayPermissions,
  replaceFile,
} from '@featuremesh/runtime/broker-files';
import {
  type BrokerUser,
  brokerPassword,
  type NatsSecrets,
  readNatsSecrets,
} from '@featuremesh/runtime/broker-secrets';

/**
 * Writes the region's nats-server configuration (mode 0600) and, for new peers, a relay permission file that permits no group.
 * Secrets stand in the files only, never on a command line. Returns the path for `nats-server -c`.
 */
export async function writeNatsConfig(config: RegionConfig): Promise<BrokerFiles> {
  const files = brokerFiles(config.dataDir);
  await mkdir(files.linksFolder, { recursive: true, mode: 0o700 });
  const secrets = await readNatsSecrets(config.keys.natsSecrets);
  const linkSeed = (await readFile(config.keys.link, 'utf8')).trim();
  for (const peer of config.peers) {
    const path = relayFile(files, peer.id);
    if (!existsSync(path)) await writeFile(path, relayPermissions([]), { mode: 0o600 });
  }
  await replaceFile(
    files.configPath,
    natsConfig(config, { secrets, linkSeed, storeFolder: join(config.dataDir, 'nats') }),
  );
  return files;
}

/** The text of nats.conf. Peers reach nothing but two durables; users of the region reach their own account (A5, R3). */
function natsConfig(
  config: RegionConfig,
  keys: { secrets: NatsSecrets; linkSeed: string; storeFolder: string },
): string {
  const { embedded } = config.nats;
  if (embedded === undefined) throw new TypeError('the region uses a broker that is not run by it');
  const leaf = `${embedded.leaf.host}:${embedded.leaf.port}`;
  const advertise =
    embedded.leafAdvertise === undefined
      ? leaf
      : `${embedded.leafAdvertise.host}:${embedded.leafAdvertise.port}`;
  const user = (name: BrokerUser, permissions = ''): string =>
    `{user: ${text(name)}, password: ${text(brokerPassword(keys.secrets, name))}${permissions}}`;
  return `# Written by fmesh; changes are overwritten. Region ${config.id}.
server_name: ${text(config.id)}
listen: ${text(`${embedded.client.host}:${embedded.client.port}`)}
max_payload: ${MAX_PAYLOAD_BYTES}
write_deadline: "10s"
ping_interval: "10s"
logtime_utc: true
jetstream {
  domain: ${text(config.id)}
  store_dir: ${text(keys.storeFolder)}
  sync_interval: always
}
accounts {
  SYS { users: [${user('system')}] }
  REGION {
    jetstream: enabled
    users: [
      ${user('service', SERVICE_PERMISSIONS)}
      ${user('sync')}
    ]
  }
${config.peers.map(peer => linkAccounts(config, peer, user)).join('\n')}
}
system_account: SYS
leafnodes {
  listen: ${text(leaf)}
  advertise: ${text(advertise)}
  compression: off
  remotes: [
${config.peers.map(peer => `    {url: ${text(peer.linkUrl)}, account: ${text(`FROM_${peer.id}`)}, nkey: ${text(keys.linkSeed)}, ignore_discovered_servers: true, compression: off}`).join('\n')}
  ]
  reconnect: "1s"
}
`;
}

/** The service appends rows and reads the log; it may not change streams other than through its own consumers. */
const SERVICE_PERMISSIONS = `, permissions: {
        publish: {allow: ["FEED.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.FEED", "$JS.API.STREAM.MSG.GET.FEED", "$JS.API.DIRECT.GET.FEED", "$JS.API.DIRECT.GET.FEED.>", "$JS.API.CONSUMER.CREATE.FEED", "$JS.API.CONSUMER.CREATE.FEED.>", "$JS.API.CONSUMER.DURABLE.CREATE.FEED.>", "$JS.API.CONSUMER.MSG.NEXT.FEED.>", "$JS.API.CONSUMER.INFO.FEED.>", "$JS.API.CONSUMER.DELETE.FEED.>", "$JS.API.STREAM.NAMES", "$JS.ACK.>", "$JS.FC.>"]}
        subscribe: {allow: ["_INBOX.>", "${LINK_PROGRESS_SUBJECT}"]}
      }`;

/**
 * Three accounts per peer. `TO_` holds the streams; `PEER_` is where the peer's leafnode arrives and has nothing but five services
 * of `TO_` imported. The boundary matters: a peer chooses the subject that a pull is answered on, so within one account it could
 * have the broker write into streams or call the API for it; across accounts answers come back to `PEER_` alone (R3).
 */
function linkAccounts(
  config: RegionConfig,
  peer: PeerConfig,
  user: (name: BrokerUser, permissions?: string) => string,
): string {
  const [to, arriving] = [text(`TO_${peer.id}`), text(`PEER_${peer.id}`)];
  const calls = [OUT_STREAM, CTL_STREAM].flatMap(stream => [
    { call: `CONSUMER.MSG.NEXT.${stream}.${LINK_DURABLE}`, response: 'stream' },
    { call: `CONSUMER.INFO.${stream}.${LINK_DURABLE}`, response: 'singleton' },
  ]);
  const exported = calls.map(
    ({ call, response }) =>
      `{service: ${text(`$JS.API.${call}`)}, response: ${response}, accounts: [${arriving}]}`,
  );
  // Not under `$JS.<region>.API.`, which the broker maps to the arriving account's own API.
  const imported = calls.map(
    ({ call }) =>
      `{service: {account: ${to}, subject: ${text(`$JS.API.${call}`)}}, to: ${text(`${linkApiPrefix(config.id)}.${call}`)}}`,
  );
  const mayCall = [...calls.map(({ call }) => `${linkApiPrefix(config.id)}.${call}`), '$JS.ACK.>'];
  return `  ${to} {
    jetstream: enabled
    users: [
      ${user(`relay.${peer.id}`, `, permissions: {publish: {include "links/${peer.id}.conf"}, subscribe: {allow: ["_INBOX.>"]}}`)}
      ${user(`links.${peer.id}`, ', permissions: {publish: {allow: ["$JS.API.>", "CTL.>", "CUR.>"]}, subscribe: {allow: ["_INBOX.>"]}}')}
    ]
    exports: [
      ${exported.join('\n      ')}
      {service: "$JS.ACK.>", accounts: [${arriving}]}
    ]
  }
  ${arriving} {
    users: [{nkey: ${text(peer.linkKey)}, allowed_connection_types: [LEAFNODE], permissions: {publish: {allow: ${list(mayCall)}}, subscribe: {allow: ["_INBOX_${peer.id}.>"]}}}]
    imports: [
      ${imported.join('\n      ')}
      {service: {account: ${to}, subject: "$JS.ACK.>"}}
    ]
  }
  ${text(`FROM_${peer.id}`)} {
    users: [${user(`import.${peer.id}`)}]
  }`;
}

function text(value: string): string {
  return JSON.stringify(value);
}

function list(values: readonly string[]): string {
  return `[${values.map(text).join(', ')}]`;
}
