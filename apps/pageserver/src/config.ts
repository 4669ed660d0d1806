/** The environment, read once at start: every problem is reported at once, and nothing else reads it. */
import { z } from 'zod';

const Port = z.coerce.number().int().min(0).max(65_535);
const MEBIBYTE = 1024 * 1024;

const Environment = z.object({
  NEON_PAGESERVER_ID: z.coerce.number().int().positive(),
  NEON_DATA_DIR: z.string().min(1),
  /** Where both ports listen, and what others are told. */
  NEON_HOST: z.string().default('127.0.0.1'),
  NEON_PAGE_PORT: Port,
  NEON_HTTP_PORT: Port,
  NEON_NATS_URL: z.string().min(1),
  NEON_NATS_TOKEN: z.string().optional(),
  /** SPKI PEM of the key that service tokens are verified with. */
  NEON_TOKEN_PUBLIC_KEY_FILE: z.string().min(1),
  /** Holds this pageserver's own token, scope storage, for safekeepers. */
  NEON_STORAGE_TOKEN_FILE: z.string().min(1),
  /** Data directories as initdb made them, one per major version. */
  NEON_INITDB_TEMPLATE_DIR: z.string().min(1),
  NEON_BLOCK_CACHE_MB: z.coerce.number().int().positive().default(128),
  NEON_MEMORY_LAYER_MB: z.coerce.number().int().positive().default(64),
  NEON_OTLP_URL: z.string().optional(),
  NEON_LOG_LEVEL: z.string().default('info'),
});

export interface Config {
  readonly pageserverId: number;
  readonly dataDir: string;
  readonly host: string;
  readonly pagePort: number;
  readonly httpPort: number;
  readonly nats: { readonly servers: string; readonly token: string | undefined };
  readonly tokenPublicKeyFile: string;
  readonly storageTokenFile: string;
  readonly templateDir: string;
  readonly blockCacheBytes: number;
  readonly memoryLayerBytes: number;
  readonly otlpUrl: string | undefined;
  readonly logLevel: string;
}

/** @throws Error naming every variable that is missing or wrong */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) throw new Error(`configuration:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  return Object.freeze({
    pageserverId: data.NEON_PAGESERVER_ID,
    dataDir: data.NEON_DATA_DIR,
    host: data.NEON_HOST,
    pagePort: data.NEON_PAGE_PORT,
    httpPort: data.NEON_HTTP_PORT,
    nats: { servers: data.NEON_NATS_URL, token: data.NEON_NATS_TOKEN },
    tokenPublicKeyFile: data.NEON_TOKEN_PUBLIC_KEY_FILE,
    storageTokenFile: data.NEON_STORAGE_TOKEN_FILE,
    templateDir: data.NEON_INITDB_TEMPLATE_DIR,
    blockCacheBytes: data.NEON_BLOCK_CACHE_MB * MEBIBYTE,
    memoryLayerBytes: data.NEON_MEMORY_LAYER_MB * MEBIBYTE,
    otlpUrl: data.NEON_OTLP_URL,
    logLevel: data.NEON_LOG_LEVEL,
  });
}
