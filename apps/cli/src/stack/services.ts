/** Every service of the stack with its ports and settings: the one place that knows how they fit together. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Distribution } from '@neon/postgres-server';
import type { Ports, SafekeeperId } from '../config';
import { type Home, folder, reachable } from '../home';
import type { Secrets } from '../secrets';
import { type MetadataAddress, metadataDir, metadataUrl } from './metadata';
import type { Place } from './place';
import type { Service } from './service';

/** Of a project, unless it is changed. */
const SAFEKEEPERS_PER_PROJECT = 3;
export const COMPUTE_HOSTS = [1, 2, 3] as const;
/**
 * Clients find an endpoint at `<endpoint>.<domain>`; every name under localhost is this machine. Two labels, because TLS
 * libraries refuse a certificate for `*.localhost` as they would one for `*.com`.
 */
export const PROXY_DOMAIN = 'db.localhost';

export interface Stack {
  readonly home: Home;
  readonly ports: Ports;
  readonly computeHosts: number;
  readonly objectStoreUrl?: string;
  readonly ingestLagBytesMax?: number;
  readonly safekeepers: readonly SafekeeperId[];
  readonly secrets: Secrets;
  /** Of the metadata database, and of projects that name no major. */
  readonly distribution: Distribution;
  readonly distributions: readonly Distribution[];
  readonly natsServer: string;
  readonly placeOf: (service: string) => Place;
}

export const metadataAddress = ({ placeOf, ports, secrets }: Stack): MetadataAddress => ({
  host: placeOf('metadata').host,
  port: ports.metadata,
  password: secrets.metadataPassword,
});

export const apiUrl = ({ placeOf, ports }: Stack): string =>
  `http://${placeOf('control-plane').host}:${ports.api}/api/v2`;

const tlsDir = (home: Home): string => folder(home, 'data/proxy', 0o700);
/** Where clients find the certificate authority: a copy, outside the folder of the private keys. */
export const caFile = (home: Home): string => join(home.directory, 'ca.crt');
export const publishCa = (home: Home): void => copyFileSync(join(tlsDir(home), 'ca.crt'), caFile(home));
export const templatesDir = (home: Home): string => folder(home, 'data/templates');

/** In the order they start; they stop in reverse. */
export function servicesOf(stack: Stack): Service[] {
  return [
    nats(stack),
    metadata(stack),
    ...stack.safekeepers.map((id) => safekeeper(stack, id)),
    pageserver(stack),
    ...COMPUTE_HOSTS.slice(0, stack.computeHosts).map((id) => computeHost(stack, id)),
    controlPlane(stack),
    proxy(stack),
  ];
}

const healthUrl = ({ host }: Place, port: number): string => `http://${host}:${port}/healthz`;

function nats({ home, ports, secrets, natsServer, placeOf }: Stack): Service {
  const place = placeOf('nats');
  const config = join(folder(home, 'run'), 'nats.conf');
  const settings = [
    `listen: "${place.host}:${ports.nats}"`,
    `http: "${place.host}:${ports['nats-http']}"`,
    `authorization { token: "${secrets.natsToken}" }`,
    `jetstream { store_dir: ${JSON.stringify(folder(home, 'data/nats'))}, max_file_store: 4GB }`,
  ];
  writeFileSync(config, `${settings.join('\n')}\n`, { mode: 0o600 });
  return {
    name: 'nats',
    place,
    port: ports.nats,
    command: [natsServer, '-c', config],
    env: {},
    health: { url: healthUrl(place, ports['nats-http']) },
    user: null,
    stopSignal: 'SIGTERM',
  };
}

function metadata({ home, ports, distribution, placeOf }: Stack): Service {
  const place = placeOf('metadata');
  const settings = [
    `listen_addresses=${place.host}`,
    'unix_socket_directories=',
    'shared_buffers=64MB',
    'max_connections=50',
    `port=${ports.metadata}`,
  ];
  return {
    name: 'metadata',
    place,
    port: ports.metadata,
    command: [
      join(distribution.directory, 'bin/postgres'),
      '-D',
      metadataDir(home),
      ...settings.flatMap((setting) => ['-c', setting]),
    ],
    env: {},
    health: { tcpPort: ports.metadata },
    user: home.user,
    stopSignal: 'SIGINT',
  };
}

/** A service of ours: Node, its bundle, and the settings all of them share. */
function app(
  stack: Stack,
  {
    name,
    bundle,
    port,
    httpPort,
    env,
  }: { name: string; bundle: string; port: number; httpPort: number; env: Record<string, string> },
): Service {
  const otlpUrl = process.env['NEON_OTLP_URL'];
  const place = stack.placeOf(name);
  return {
    name,
    place,
    port,
    command: [
      process.execPath,
      '--enable-source-maps',
      join(stack.home.checkout, 'dist/apps', bundle, 'main.cjs'),
      name,
    ],
    env: {
      NEON_HOST: place.host,
      NEON_HTTP_PORT: String(httpPort),
      NEON_NATS_URL: `nats://${stack.placeOf('nats').host}:${stack.ports.nats}`,
      NEON_NATS_TOKEN: stack.secrets.natsToken,
      NEON_TOKEN_PUBLIC_KEY_FILE: stack.secrets.tokenPublicKeyFile,
      ...(otlpUrl === undefined ? {} : { NEON_OTLP_URL: otlpUrl }),
      ...env,
    },
    health: { url: healthUrl(place, httpPort) },
    user: null,
    stopSignal: 'SIGTERM',
  };
}

function safekeeper(stack: Stack, id: SafekeeperId): Service {
  const { ports, home, secrets } = stack;
  return app(stack, {
    name: `safekeeper-${id}`,
    bundle: 'safekeeper',
    port: ports[`safekeeper-${id}-proposer`],
    httpPort: ports[`safekeeper-${id}-http`],
    env: {
      NEON_SAFEKEEPER_ID: String(id),
      NEON_DATA_DIR: folder(home, `data/safekeeper-${id}`, 0o700),
      NEON_PROPOSER_PORT: String(ports[`safekeeper-${id}-proposer`]),
      NEON_REPLICATION_PORT: String(ports[`safekeeper-${id}-replication`]),
      ...objectStore(stack),
      NEON_STORAGE_TOKEN_FILE: secrets.storageTokenFile,
    },
  });
}

/** Of an installation whose settings name no other object store. */
export const objectsDir = (home: Home): string => folder(home, 'data/objects', 0o700);
export const objectStoreUrlOf = ({ home, objectStoreUrl }: Stack): string =>
  objectStoreUrl ?? pathToFileURL(objectsDir(home)).href;

/** A bucket's credentials come from the environment. */
function objectStore(stack: Stack): Record<string, string> {
  const credentials = Object.entries(process.env).filter(([name]) => name.startsWith('AWS_'));
  return {
    ...Object.fromEntries(credentials.map(([name, value]) => [name, value ?? ''])),
    NEON_OBJECT_STORE_URL: objectStoreUrlOf(stack),
  };
}

function pageserver(stack: Stack): Service {
  const { ports, home, secrets } = stack;
  return app(stack, {
    name: 'pageserver',
    bundle: 'pageserver',
    port: ports['pageserver-pages'],
    httpPort: ports['pageserver-http'],
    env: {
      NEON_PAGESERVER_ID: '1',
      NEON_DATA_DIR: folder(home, 'data/pageserver', 0o700),
      NEON_PAGE_PORT: String(ports['pageserver-pages']),
      NEON_STORAGE_TOKEN_FILE: secrets.storageTokenFile,
      NEON_INITDB_TEMPLATE_DIR: templatesDir(home),
    },
  });
}

function computeHost(stack: Stack, id: (typeof COMPUTE_HOSTS)[number]): Service {
  const { ports, home, distributions, ingestLagBytesMax } = stack;
  const name = `compute-${id}` as const;
  return app(stack, {
    name,
    bundle: 'compute',
    port: ports[`${name}-http`],
    httpPort: ports[`${name}-http`],
    env: {
      NEON_HOST_ID: `host-${id}`,
      NEON_DATA_DIR: folder(home, `data/${name}`, 0o711),
      NEON_RUN_DIR: folder(home, `run/${name}`, 0o711),
      NEON_POSTGRES_DISTRIBUTION_DIRS: distributions.map(({ directory }) => directory).join(':'),
      ...(ingestLagBytesMax === undefined ? {} : { NEON_INGEST_LAG_BYTES_MAX: String(ingestLagBytesMax) }),
      NEON_PAGE_SHIM: reachable(home, join(home.checkout, 'dist/native/libneonpages.so')),
      ...(home.user === null ? {} : { NEON_POSTGRES_UID: String(home.user.uid) }),
    },
  });
}

function controlPlane(stack: Stack): Service {
  const { ports, secrets, distribution, distributions } = stack;
  const majors = [distribution.major, ...distributions.map(({ major }) => major)];
  return app(stack, {
    name: 'control-plane',
    bundle: 'control-plane',
    port: ports.api,
    httpPort: ports.api,
    env: {
      NEON_DATABASE_URL: metadataUrl(metadataAddress(stack)),
      NEON_TOKEN_PRIVATE_KEY_FILE: secrets.tokenPrivateKeyFile,
      NEON_SECRET_KEY_FILE: secrets.secretKeyFile,
      NEON_BOOTSTRAP_API_KEY_FILE: secrets.apiKeyFile,
      NEON_PROXY_DOMAIN: PROXY_DOMAIN,
      NEON_PROXY_PORT: String(ports.proxy),
      NEON_PG_VERSIONS: [...new Set(majors)].join(','),
      NEON_SAFEKEEPER_COUNT: String(SAFEKEEPERS_PER_PROJECT),
    },
  });
}

function proxy(stack: Stack): Service {
  const { ports, home } = stack;
  return app(stack, {
    name: 'proxy',
    bundle: 'proxy',
    port: ports.proxy,
    httpPort: ports['proxy-http'],
    env: {
      NEON_PROXY_PORT: String(ports.proxy),
      NEON_PROXY_DOMAIN: PROXY_DOMAIN,
      NEON_TLS_DIR: tlsDir(home),
    },
  });
}
