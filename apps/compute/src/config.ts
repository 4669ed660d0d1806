/** The environment, read once at start: every problem is reported at once, and nothing else reads it. */
import { type BackpressureLimits, DEFAULT_LIMITS } from '@neon/compute-core';
import { z } from 'zod';

const Bytes = z.coerce.number().int().positive();
const Port = z.coerce.number().int().min(0).max(65_535);

const Environment = z.object({
  NEON_HOST_ID: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, - and _'),
  /** What Postgres listens on and clients are told. */
  NEON_HOST: z.string().default('127.0.0.1'),
  NEON_DATA_DIR: z.string().min(1),
  /** For Unix sockets, whose names must be short. */
  NEON_RUN_DIR: z.string().min(1).optional(),
  NEON_HTTP_PORT: Port,
  NEON_NATS_URL: z.string().min(1),
  NEON_NATS_TOKEN: z.string().optional(),
  /** Directories with `bin/postgres`, separated by colons; Debian's own are found too. */
  NEON_POSTGRES_DISTRIBUTION_DIRS: z.string().default(''),
  NEON_PAGE_SHIM: z.string().min(1),
  /** The unprivileged user that Postgres runs as when we are root. */
  NEON_POSTGRES_UID: z.coerce.number().int().positive().optional(),
  /** How far the pageserver may be behind a compute that writes: with ingesting, and with storing. */
  NEON_INGEST_LAG_BYTES_MAX: Bytes.default(DEFAULT_LIMITS.receivedLagBytesMax),
  NEON_STORAGE_LAG_BYTES_MAX: Bytes.default(DEFAULT_LIMITS.durableLagBytesMax),
  NEON_OTLP_URL: z.string().optional(),
  NEON_LOG_LEVEL: z.string().default('info'),
});

export interface Config {
  readonly hostId: string;
  readonly host: string;
  readonly dataDir: string;
  readonly runDir: string | undefined;
  readonly httpPort: number;
  readonly nats: { readonly servers: string; readonly token: string | undefined };
  readonly distributionDirs: readonly string[];
  readonly pageShim: string;
  readonly postgresUid: number | undefined;
  readonly backpressure: BackpressureLimits;
  readonly otlpUrl: string | undefined;
  readonly logLevel: string;
}

/** @throws Error naming every variable that is missing or wrong */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) throw new Error(`configuration:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  return Object.freeze({
    hostId: data.NEON_HOST_ID,
    host: data.NEON_HOST,
    dataDir: data.NEON_DATA_DIR,
    runDir: data.NEON_RUN_DIR,
    httpPort: data.NEON_HTTP_PORT,
    nats: { servers: data.NEON_NATS_URL, token: data.NEON_NATS_TOKEN },
    distributionDirs: data.NEON_POSTGRES_DISTRIBUTION_DIRS.split(':').filter((directory) => directory !== ''),
    pageShim: data.NEON_PAGE_SHIM,
    postgresUid: data.NEON_POSTGRES_UID,
    backpressure: {
      receivedLagBytesMax: data.NEON_INGEST_LAG_BYTES_MAX,
      durableLagBytesMax: data.NEON_STORAGE_LAG_BYTES_MAX,
    },
    otlpUrl: data.NEON_OTLP_URL,
    logLevel: data.NEON_LOG_LEVEL,
  });
}
