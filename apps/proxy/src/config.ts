/** The environment, read once at start: every problem is reported at once, and nothing else reads it. */
import { z } from 'zod';

const Port = z.coerce.number().int().min(0).max(65_535);
const DomainName = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'a domain name in lower case');

const Environment = z
  .object({
    NEON_HOST: z.string().default('127.0.0.1'),
    /** Where clients connect. */
    NEON_PROXY_PORT: Port,
    /** Health and metrics. */
    NEON_HTTP_PORT: Port,
    NEON_NATS_URL: z.string().min(1),
    NEON_NATS_TOKEN: z.string().optional(),
    /** An endpoint's host name is `<endpoint id>.<domain>`. */
    NEON_PROXY_DOMAIN: DomainName.default('localhost'),
    /** Certificates are made here when none are given. */
    NEON_TLS_DIR: z.string().min(1).optional(),
    NEON_TLS_CERT_FILE: z.string().min(1).optional(),
    NEON_TLS_KEY_FILE: z.string().min(1).optional(),
    NEON_PROXY_CONNECTIONS_MAX: z.coerce.number().int().positive().default(10_000),
    /** How long sessions may go on after the request to stop. */
    NEON_PROXY_DRAIN_MS: z.coerce.number().int().nonnegative().default(3_000),
    NEON_OTLP_URL: z.string().optional(),
    NEON_LOG_LEVEL: z.string().default('info'),
  })
  .refine(({ NEON_TLS_CERT_FILE: cert, NEON_TLS_KEY_FILE: key }) => (cert === undefined) === (key === undefined), {
    message: 'NEON_TLS_CERT_FILE and NEON_TLS_KEY_FILE go together',
  })
  .refine(({ NEON_TLS_CERT_FILE: cert, NEON_TLS_DIR: directory }) => cert !== undefined || directory !== undefined, {
    message: 'either NEON_TLS_DIR or NEON_TLS_CERT_FILE and NEON_TLS_KEY_FILE must be given',
  });

export type CertificateSource =
  | { readonly kind: 'files'; readonly certFile: string; readonly keyFile: string }
  | { readonly kind: 'selfSigned'; readonly directory: string };

export interface Config {
  readonly host: string;
  readonly proxyPort: number;
  readonly httpPort: number;
  readonly nats: { readonly servers: string; readonly token: string | undefined };
  readonly domain: string;
  readonly certificate: CertificateSource;
  readonly connectionsMax: number;
  readonly drainMs: number;
  readonly otlpUrl: string | undefined;
  readonly logLevel: string;
}

/** @throws Error naming every variable that is missing or wrong */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) throw new Error(`configuration:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  const { NEON_TLS_CERT_FILE: certFile, NEON_TLS_KEY_FILE: keyFile, NEON_TLS_DIR: directory = '' } = data;
  return Object.freeze({
    host: data.NEON_HOST,
    proxyPort: data.NEON_PROXY_PORT,
    httpPort: data.NEON_HTTP_PORT,
    nats: { servers: data.NEON_NATS_URL, token: data.NEON_NATS_TOKEN },
    domain: data.NEON_PROXY_DOMAIN,
    certificate:
      certFile === undefined || keyFile === undefined
        ? ({ kind: 'selfSigned', directory } as const)
        : ({ kind: 'files', certFile, keyFile } as const),
    connectionsMax: data.NEON_PROXY_CONNECTIONS_MAX,
    drainMs: data.NEON_PROXY_DRAIN_MS,
    otlpUrl: data.NEON_OTLP_URL,
    logLevel: data.NEON_LOG_LEVEL,
  });
}
