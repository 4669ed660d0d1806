/**
 * Settings of this installation, kept in `config.json` in home so that they survive restarts.
 *
 * A port that is taken by someone else when a service first needs it is replaced by the next free one, with a message.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseObjectStoreUrl } from '@neon/object-store';
import { z } from 'zod';
import type { Home } from './home';
import { CommandFailure } from './progress';

/** Every port of the stack, by name, with its default. */
export const DEFAULT_PORTS = {
  api: 9080,
  proxy: 55432,
  'proxy-http': 9081,
  nats: 9082,
  'nats-http': 9083,
  metadata: 9084,
  'pageserver-pages': 9085,
  'pageserver-http': 9086,
  'safekeeper-1-proposer': 9090,
  'safekeeper-1-replication': 9091,
  'safekeeper-1-http': 9092,
  'safekeeper-2-proposer': 9093,
  'safekeeper-2-replication': 9094,
  'safekeeper-2-http': 9095,
  'safekeeper-3-proposer': 9096,
  'safekeeper-3-replication': 9097,
  'safekeeper-3-http': 9098,
  'safekeeper-4-proposer': 9110,
  'safekeeper-4-replication': 9111,
  'safekeeper-4-http': 9112,
  'safekeeper-5-proposer': 9113,
  'safekeeper-5-replication': 9114,
  'safekeeper-5-http': 9115,
  'safekeeper-6-proposer': 9116,
  'safekeeper-6-replication': 9117,
  'safekeeper-6-http': 9118,
  'compute-1-http': 9101,
  'compute-2-http': 9102,
  'compute-3-http': 9103,
} as const;
export type PortName = keyof typeof DEFAULT_PORTS;
export type Ports = Readonly<Record<PortName, number>>;

/** How many compute hosts one installation may have: each needs a port above. */
export const COMPUTE_HOSTS_MAX = 3;

/** Each needs ports above. */
export const SAFEKEEPER_IDS = [1, 2, 3, 4, 5, 6] as const;
export type SafekeeperId = (typeof SAFEKEEPER_IDS)[number];
export const SAFEKEEPERS_DEFAULT: readonly SafekeeperId[] = [1, 2, 3];

const Settings = z.object({
  ports: z.partialRecord(z.string(), z.number().int().min(1).max(65_535)),
  computeHosts: z.number().int().min(1).max(COMPUTE_HOSTS_MAX).default(1),
  /** Where WAL is archived; without it, a directory in home. */
  objectStoreUrl: z
    .string()
    .transform((url) => (parseObjectStoreUrl(url), url))
    .optional(),
  /** How far the pageserver may be behind a compute; without it, what a compute host takes for itself. */
  ingestLagBytesMax: z.number().int().positive().optional(),
  safekeepers: z
    .array(z.literal(SAFEKEEPER_IDS))
    .min(1)
    .default([...SAFEKEEPERS_DEFAULT]),
});

export interface Settings {
  readonly ports: Ports;
  readonly computeHosts: number;
  readonly objectStoreUrl?: string;
  readonly ingestLagBytesMax?: number;
  /** Those that run here. */
  readonly safekeepers: readonly SafekeeperId[];
}

const fileOf = (home: Home): string => join(home.directory, 'config.json');

/** @throws CommandFailure when the file is not valid */
export function readSettings(home: Home): Settings {
  if (!existsSync(fileOf(home))) return { ports: DEFAULT_PORTS, computeHosts: 1, safekeepers: SAFEKEEPERS_DEFAULT };
  try {
    const { ports, objectStoreUrl, ingestLagBytesMax, ...settings } = Settings.parse(
      JSON.parse(readFileSync(fileOf(home), 'utf8')),
    );
    return {
      ...settings,
      ports: { ...DEFAULT_PORTS, ...ports },
      ...(objectStoreUrl === undefined ? {} : { objectStoreUrl }),
      ...(ingestLagBytesMax === undefined ? {} : { ingestLagBytesMax }),
    };
  } catch (error) {
    throw new CommandFailure(`${fileOf(home)} is not valid: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export const writeSettings = (home: Home, settings: Settings): void =>
  writeFileSync(fileOf(home), `${JSON.stringify(settings, null, 2)}\n`);

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** `wanted`, or the next free port above it that is not in `reserved`. */
export async function freePort(wanted: number, reserved: ReadonlySet<number>): Promise<number> {
  for (let port = wanted; port < wanted + 1000 && port <= 65_535; port++) {
    if (!reserved.has(port) && (await isFree(port))) return port;
  }
  throw new CommandFailure(`no free port from ${wanted} on`);
}
