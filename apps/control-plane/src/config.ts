/** The environment, read once at start: every problem is reported at once, and nothing else reads it. */
import { z } from 'zod';

const Port = z.coerce.number().int().min(0).max(65_535);

const Environment = z.object({
  NEON_HOST: z.string().default('127.0.0.1'),
  /** REST API, documentation, health and metrics. */
  NEON_HTTP_PORT: Port,
  NEON_DATABASE_URL: z.string().min(1),
  NEON_NATS_URL: z.string().min(1),
  NEON_NATS_TOKEN: z.string().optional(),
  /** PKCS #8 PEM of the key that service tokens are signed with. */
  NEON_TOKEN_PRIVATE_KEY_FILE: z.string().min(1),
  /** 32 bytes in hexadecimal: what passwords at rest are encrypted with. */
  NEON_SECRET_KEY_FILE: z.string().min(1),
  /** Holds an API key that is valid from the first start on. */
  NEON_BOOTSTRAP_API_KEY_FILE: z.string().min(1),
  /** Clients find an endpoint at `<endpoint id>.<domain>`. */
  NEON_PROXY_DOMAIN: z.string().min(1).default('localhost'),
  NEON_PROXY_PORT: Port.default(5432),
  /** Majors that pageservers and compute hosts have, separated by commas; the first is that of a project which names none. */
  NEON_PG_VERSIONS: z
    .string()
    .regex(/^1[4-8](,1[4-8])*$/, 'majors from 14 to 18, separated by commas')
    .default('17')
    .transform((list) => list.split(',').map(Number))
    .pipe(z.tuple([z.number()], z.number())),
  /** Safekeepers per project. */
  NEON_SAFEKEEPER_COUNT: z.coerce.number().int().min(1).default(3),
  /** The one region of this installation, `<platform>-<region>`: clients send the name they know. */
  NEON_REGION_ID: z
    .string()
    .regex(/^[a-z]+-[a-z0-9-]+$/)
    .default('aws-us-east-2'),
  NEON_OTLP_URL: z.string().optional(),
  NEON_LOG_LEVEL: z.string().default('info'),
});

export interface Config {
  readonly host: string;
  readonly httpPort: number;
  readonly databaseUrl: string;
  readonly nats: { readonly servers: string; readonly token: string | undefined };
  readonly tokenPrivateKeyFile: string;
  readonly secretKeyFile: string;
  readonly bootstrapApiKeyFile: string;
  readonly proxy: { readonly domain: string; readonly port: number };
  /** The first is the default. */
  readonly pgVersions: readonly [number, ...number[]];
  readonly safekeeperCount: number;
  readonly regionId: string;
  readonly otlpUrl: string | undefined;
  readonly logLevel: string;
}

/** @throws Error naming every variable that is missing or wrong */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) throw new Error(`configuration:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  return Object.freeze({
    host: data.NEON_HOST,
    httpPort: data.NEON_HTTP_PORT,
    databaseUrl: data.NEON_DATABASE_URL,
    nats: { servers: data.NEON_NATS_URL, token: data.NEON_NATS_TOKEN },
    tokenPrivateKeyFile: data.NEON_TOKEN_PRIVATE_KEY_FILE,
    secretKeyFile: data.NEON_SECRET_KEY_FILE,
    bootstrapApiKeyFile: data.NEON_BOOTSTRAP_API_KEY_FILE,
    proxy: { domain: data.NEON_PROXY_DOMAIN, port: data.NEON_PROXY_PORT },
    pgVersions: data.NEON_PG_VERSIONS,
    safekeeperCount: data.NEON_SAFEKEEPER_COUNT,
    regionId: data.NEON_REGION_ID,
    otlpUrl: data.NEON_OTLP_URL,
    logLevel: data.NEON_LOG_LEVEL,
  });
}
