/** The environment, read once at start: every problem is reported at once, and nothing else reads it. */
import { parseObjectStoreUrl } from '@neon/object-store';
import type { UnarchivedWal, WalLimits } from '@neon/safekeeper-core';
import { z } from 'zod';

/** Votes, positions and the next segments of timelines still find room, while WAL is no longer taken. */
const DISK_FREE_BYTES_MIN = 256 * 1024 * 1024;

/** A working day may begin before the night's rest ended: what comes back costs a request or two. */
const OFFLOAD_AFTER_SECONDS = 6 * 60 * 60;

const Bytes = z.coerce.number().int().nonnegative();
const Port = z.coerce.number().int().min(0).max(65_535);

const ObjectStoreUrl = z.string().refine(
  (url) => {
    try {
      return parseObjectStoreUrl(url) !== undefined;
    } catch {
      return false;
    }
  },
  { error: 'not the URL of an object store' },
);

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
  /** Holds this safekeeper's own token, scope storage, for other safekeepers: without it, it copies nothing from them. */
  NEON_STORAGE_TOKEN_FILE: z.string().min(1).optional(),
  /** WAL to keep: of all timelines, and of each. None by default: with nothing trimmed, a limit is the day writes stop. */
  NEON_WAL_BYTES_MAX: Bytes.optional(),
  NEON_TIMELINE_WAL_BYTES_MAX: Bytes.optional(),
  /** Room on the disk below which no more WAL is taken. */
  NEON_DISK_FREE_BYTES_MIN: Bytes.default(DISK_FREE_BYTES_MIN),
  /** WAL that is in no archive, once the pageserver has it: without it, a pageserver that lost its disk cannot be made again. */
  NEON_UNARCHIVED_WAL: z.enum(['kept', 'trimmed']).default('kept'),
  /** Where WAL is archived. Without it, it is on this disk alone. */
  NEON_OBJECT_STORE_URL: ObjectStoreUrl.optional(),
  /** How long a timeline is idle before its WAL is in the archive alone. */
  NEON_OFFLOAD_AFTER_SECONDS: z.coerce.number().positive().default(OFFLOAD_AFTER_SECONDS),
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
  readonly storageTokenFile: string | undefined;
  readonly walLimits: WalLimits;
  readonly diskFreeBytesMin: number;
  readonly unarchivedWal: UnarchivedWal;
  readonly objectStoreUrl: string | undefined;
  readonly offloadAfterMs: number;
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
    storageTokenFile: data.NEON_STORAGE_TOKEN_FILE,
    walLimits: {
      safekeeperBytesMax: data.NEON_WAL_BYTES_MAX ?? Infinity,
      timelineBytesMax: data.NEON_TIMELINE_WAL_BYTES_MAX ?? Infinity,
    },
    diskFreeBytesMin: data.NEON_DISK_FREE_BYTES_MIN,
    unarchivedWal: data.NEON_UNARCHIVED_WAL,
    objectStoreUrl: data.NEON_OBJECT_STORE_URL,
    offloadAfterMs: 1000 * data.NEON_OFFLOAD_AFTER_SECONDS,
    otlpUrl: data.NEON_OTLP_URL,
    logLevel: data.NEON_LOG_LEVEL,
  });
}
