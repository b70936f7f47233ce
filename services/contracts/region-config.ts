import { MAX_CLUSTER_TABLES } from '@featuremesh/domain/limits';
import { problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { z } from 'zod';
import { issuesOf } from './issues.ts';
import { regionIdSchema } from './wire-primitives.ts';

/** A host and port to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:7400`, `[::1]:7400`, or a bare port, which means loopback. */
const addressSchema = z
  .union([z.int().min(1).max(65_535), z.string()])
  .transform((value, context): ListenAddress => {
    if (typeof value === 'number') return { host: '127.0.0.1', port: value };
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
    context.addIssue({ code: 'custom', message: 'an address is host:port' });
    return z.NEVER;
  });

const httpUrl = z.url({ protocol: /^https?$/ });
const name = z.string().min(1).max(100);
const path = z.string().min(1).max(4_096);
const publicKey = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'base64 of a raw 32-byte Ed25519 public key');

/** One secret or name, given by file or environment; never in region.yaml itself. */
const credentialsSchema = z
  .strictObject({
    username: name.exactOptional(),
    usernameEnv: name.exactOptional(),
    passwordFile: path.exactOptional(),
    passwordEnv: name.exactOptional(),
  })
  .refine(given => (given.username === undefined) !== (given.usernameEnv === undefined), {
    message: 'exactly one of `username` and `usernameEnv`',
  })
  .refine(given => (given.passwordFile === undefined) !== (given.passwordEnv === undefined), {
    message: 'exactly one of `passwordFile` and `passwordEnv`',
  });

const cassandraSchema = z.strictObject({
  type: z.literal('cassandra'),
  /** Some nodes; the others are found. All nodes listen on one port. */
  contactPoints: z
    .array(z.string().regex(/^[^\s:]+(:\d{1,5})?$/, 'a contact point is host or host:port'))
    .min(1)
    .max(16)
    .refine(points => new Set(points.map(point => point.split(':')[1] ?? '9042')).size === 1, {
      message: 'all nodes of a cluster listen on the same port',
    }),
  localDataCentre: name,
  /** Data centres of this region that answer while the local one does not, in this order. */
  fallbackDataCentres: z.array(name).max(4).default([]),
  keyspace: z.string().regex(/^[a-z][a-z0-9_]{0,47}$/, 'lower-case letters, digits and _, at most 48'),
  /** Replicas per data centre, where the keyspace is made here; an existing keyspace is left as it is. */
  replication: z.record(name, z.int().min(1).max(9)).exactOptional(),
  consistency: z
    .strictObject({
      write: z.enum(['LOCAL_QUORUM', 'QUORUM', 'EACH_QUORUM']).default('LOCAL_QUORUM'),
      read: z.enum(['LOCAL_ONE', 'LOCAL_QUORUM', 'QUORUM']).default('LOCAL_ONE'),
      /** `SERIAL` where service processes of the region name different local data centres. */
      serial: z.enum(['LOCAL_SERIAL', 'SERIAL']).default('LOCAL_SERIAL'),
    })
    .prefault({}),
  maxTables: z.int().min(1).max(2_000).default(MAX_CLUSTER_TABLES),
  credentials: credentialsSchema.exactOptional(),
  tls: z
    .strictObject({ ca: path, certificate: path.exactOptional(), key: path.exactOptional() })
    .exactOptional(),
});

/** A region's Cassandra, as region.yaml describes it: of the online store, or of the registry. */
export type CassandraStoreConfig = z.infer<typeof cassandraSchema>;

const storeSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('lmdb'),
    /** Address space reserved for the online store; it grows into it. */
    mapSizeBytes: z.int().positive().exactOptional(),
  }),
  cassandraSchema,
]);

/** Definitions and policies. In Cassandra, whatever `registry` leaves out is as in `store`, where that is Cassandra too. */
const registrySchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('lmdb') }),
  cassandraSchema,
]);

const objectsSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('filesystem'), path: path.exactOptional() }),
  z.looseObject({ type: z.literal('s3') }),
]);

/** FEED forgets by age alone, never below a day (architecture A2); when it is full it refuses writes. */
const feedSchema = z.strictObject({
  maxBytes: z
    .int()
    .min(1024 ** 2)
    .default(8 * 1024 ** 3),
  maxAgeHours: z.int().min(24).max(8_760).default(48),
});

/** Bounds of a region's log. */
export type FeedLimits = z.infer<typeof feedSchema>;

const natsSchema = z
  .strictObject({
    url: z
      .string()
      .regex(/^(nats|tls):\/\/\S+$/, 'nats://host:port')
      .exactOptional(),
    embedded: z
      .strictObject({
        client: addressSchema,
        leaf: addressSchema,
        /** Address of the leafnode port that peers are told, where it differs from `leaf`. */
        leafAdvertise: addressSchema.exactOptional(),
      })
      .exactOptional(),
    feedReplicas: z.int().min(1).max(5).default(1),
    feed: feedSchema.prefault({}),
  })
  .refine(nats => (nats.url === undefined) !== (nats.embedded === undefined), {
    message: 'exactly one of `embedded` and `url`',
  });

const peerSchema = z.strictObject({
  id: regionIdSchema,
  jurisdiction: name,
  cloud: name,
  /** Leafnode address of the peer, as this region reaches it. */
  linkUrl: z.string().regex(/^(nats-leaf|nats|tls):\/\/\S+$/, 'nats-leaf://host:port'),
  publicUrl: httpUrl,
  publicGatewayUrl: httpUrl,
  /** Where this region's gateway reaches the peer's service, where not at its public URL: a backbone, an interconnect, a proxy. */
  serviceUrl: httpUrl.exactOptional(),
  publicKey,
  /** Public NKey of the user that the peer connects with. */
  linkKey: z.string().regex(/^U[A-Z2-7]{55}$/, 'a public user NKey'),
});

const officerSchema = z.strictObject({
  id: name,
  publicKey,
  roles: z.array(z.enum(['owner', 'compliance'])).min(1),
});

const authSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.looseObject({ type: z.literal('jwt'), issuer: z.string(), audience: z.string(), jwksUrl: httpUrl }),
]);

/** region.yaml as parsed; addresses are taken apart, defaults filled in, file names as written (relative to the file's folder). */
const regionConfigSchema = z.strictObject({
  id: regionIdSchema,
  jurisdiction: name,
  cloud: name,
  location: name.exactOptional(),
  listen: z.strictObject({ http: addressSchema, gateway: addressSchema, sync: addressSchema }),
  publicUrl: httpUrl,
  publicGatewayUrl: httpUrl,
  dataDir: path.default('data'),
  /** Service processes of the region: slots 0 … services − 1. */
  services: z.int().min(1).max(4).default(1),
  /** How long a service process that was told to end still takes requests and only says `draining`: a balancer's time to notice. */
  drainGraceMs: z.int().min(0).max(30_000).exactOptional(),
  store: storeSchema.default({ type: 'lmdb' }),
  registry: registrySchema.default({ type: 'lmdb' }),
  objects: objectsSchema.default({ type: 'filesystem' }),
  nats: natsSchema,
  keys: z
    .strictObject({
      signing: path.default('keys/signing.pem'),
      link: path.default('keys/link.nk'),
      internal: path.default('keys/internal.token'),
      natsSecrets: path.default('keys/nats.json'),
    })
    .prefault({}),
  peers: z.array(peerSchema).max(31).default([]),
  officers: z.array(officerSchema).default([]),
  auth: authSchema.default({ type: 'none' }),
  tls: z.strictObject({ certificate: path, key: path }).exactOptional(),
});

/** A region's configuration, parsed. */
export type RegionConfig = z.infer<typeof regionConfigSchema>;

/** A region's configuration as it is written in region.yaml: members with a default may be left out. */
export type RegionConfigInput = z.input<typeof regionConfigSchema>;

/** A peer as region.yaml names it. */
export type PeerConfig = RegionConfig['peers'][number];

/** Parses region.yaml's content. INVALID_CONFIG with every issue and its path; NOT_YET_SUPPORTED for shapes of later milestones. */
export function parseRegionConfig(value: unknown): Result<RegionConfig> {
  const parsed = regionConfigSchema.safeParse(withStoreDefaults(value));
  if (!parsed.success) {
    return fail(
      problem('INVALID_CONFIG', 'The region configuration is not valid', { issues: issuesOf(parsed.error) }),
    );
  }
  const config = parsed.data;
  const unsupported = notYetSupported(config);
  if (unsupported.length > 0) {
    return fail(
      problem('NOT_YET_SUPPORTED', 'The region configuration names parts that are not supported yet', {
        issues: unsupported,
      }),
    );
  }
  const issues = [...bindings(config), ...duplicates(config)];
  return issues.length === 0
    ? ok(config)
    : fail(problem('INVALID_CONFIG', 'The region configuration is not valid', { issues }));
}

/** One cluster of a region serves both, unless it is told otherwise. */
function withStoreDefaults(value: unknown): unknown {
  if (!isObject(value) || !isObject(value['store']) || !isObject(value['registry'])) return value;
  const { store, registry } = value;
  if (store['type'] !== 'cassandra' || registry['type'] !== 'cassandra') return value;
  return { ...value, registry: { ...store, ...registry } };
}

const isObject = (
  value: unknown,
): value is Record<string, unknown> & { store?: unknown; registry?: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where the service process of a slot listens: slot 0 at `listen.http`, slot n ≥ 1 at its port + 5 + n. */
export function serviceAddress(config: RegionConfig, slot: number): ListenAddress {
  const { host, port } = config.listen.http;
  return slot === 0 ? { host, port } : { host, port: port + 5 + slot };
}

/** Default of `drainGraceMs` where another process can take over: two looks of a balancer that looks twice a second. */
const DRAIN_GRACE_MS = 1_000;

/** How long a service process that was told to end goes on taking requests: nobody is helped where it is the only one. */
export function drainGraceMs(config: RegionConfig): number {
  return config.drainGraceMs ?? (config.services > 1 ? DRAIN_GRACE_MS : 0);
}

function notYetSupported(config: RegionConfig): { path: string; message: string }[] {
  const issues: { path: string; message: string }[] = [];
  if (config.objects.type === 's3')
    issues.push({ path: 'objects.type', message: '`s3` comes later; use `filesystem`' });
  if (config.auth.type === 'jwt')
    issues.push({ path: 'auth.type', message: '`jwt` comes later; use `none` on loopback' });
  return issues;
}

/** Nothing binds beyond loopback without authentication and TLS: callers would hold every jurisdiction and purpose. */
function bindings(config: RegionConfig): { path: string; message: string }[] {
  if (config.auth.type !== 'none' && config.tls !== undefined) return [];
  const { listen, nats } = config;
  const addresses = [
    ['listen.http', listen.http],
    ['listen.gateway', listen.gateway],
    ['listen.sync', listen.sync],
    ['nats.embedded.client', nats.embedded?.client],
    ['nats.embedded.leaf', nats.embedded?.leaf],
  ] as const;
  return addresses
    .filter(([, address]) => address !== undefined && !isLoopback(address.host))
    .map(([where]) => ({
      path: where,
      message: 'binds beyond loopback, which needs `auth` and `tls`; use 127.0.0.1',
    }));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function duplicates(config: RegionConfig): { path: string; message: string }[] {
  const issues: { path: string; message: string }[] = [];
  const regions = new Set<string>([config.id]);
  for (const [i, peer] of config.peers.entries()) {
    if (regions.has(peer.id)) issues.push({ path: `peers[${i}].id`, message: `${peer.id} is named twice` });
    regions.add(peer.id);
  }
  for (const field of ['id', 'publicKey'] as const) {
    const seen = new Set<string>();
    for (const [i, officer] of config.officers.entries()) {
      if (seen.has(officer[field]))
        issues.push({ path: `officers[${i}].${field}`, message: 'is given twice' });
      seen.add(officer[field]);
    }
  }
  return issues;
}
