/** The environment, read once at start: every problem is reported at once, and nothing else reads it. */
import { z } from 'zod';

const Port = z.coerce.number().int().min(0).max(65_535);

const Environment = z.object({
  NEON_SAFEKEEPER_ID: z.coerce.number().int().positive(),
  NEON_DATA_DIR: z.string().min(1),
  /** Where the three ports listen, and what others are told. */
  NEON_HOST: z.string().default('127.0.0.1'),
  NEON_PROPOSER_PORT: Port,
  NEON_REPLICATION_PORT: Port,
  NEON_HTTP_PORT: Port,
  NEON_NATS_URL: z.string().min(1),
  NEON_NATS_TOKEN: z.string().optional(),
  /** SPKI PEM of the key that service tokens are verified with. */
  NEON_TOKEN_PUBLIC_KEY_FILE: z.string().min(1),
  NEON_OTLP_URL: z.string().optional(),
  NEON_LOG_LEVEL: z.string().default('info'),
});

export interface Config {
  readonly safekeeperId: number;
  readonly dataDir: string;
  readonly host: string;
  readonly proposerPort: number;
  readonly replicationPort: number;
  readonly httpPort: number;
  readonly nats: { readonly servers: string; readonly token: string | undefined };
  readonly tokenPublicKeyFile: string;
  readonly otlpUrl: string | undefined;
  readonly logLevel: string;
}

/** @throws Error naming every variable that is missing or wrong */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) throw new Error(`configuration:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  return Object.freeze({
    safekeeperId: data.NEON_SAFEKEEPER_ID,
    dataDir: data.NEON_DATA_DIR,
    host: data.NEON_HOST,
    proposerPort: data.NEON_PROPOSER_PORT,
    replicationPort: data.NEON_REPLICATION_PORT,
    httpPort: data.NEON_HTTP_PORT,
    nats: { servers: data.NEON_NATS_URL, token: data.NEON_NATS_TOKEN },
    tokenPublicKeyFile: data.NEON_TOKEN_PUBLIC_KEY_FILE,
    otlpUrl: data.NEON_OTLP_URL,
    logLevel: data.NEON_LOG_LEVEL,
  });
}
