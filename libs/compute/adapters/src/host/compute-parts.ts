/** What one compute is made of, as far as it has been made, and its undoing. */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { PageServiceClient } from '@neon/pageserver-client';
import type { PostgresServer } from '@neon/postgres-server';
import type { AdminConnection } from '../access/admin-connection';
import type { PageAgent } from '../pages/page-agent';
import type { SpareDirectories } from '../directory/spare-directories';
import type { WalPace } from '../walproposer/wal-pace';
import type { Walproposer } from '../walproposer/walproposer';
import type { ComputePaths } from './compute-paths';
import { killProcessesIn } from './stray-processes';

export interface ComputeParts {
  readonly paths: ComputePaths;
  readonly spares: SpareDirectories;
  readonly walproposer: Walproposer;
  readonly pageService: PageServiceClient;
  /** Keeps what the start read for the next one. */
  keepReads?: () => Promise<void>;
  agent?: PageAgent;
  postgres?: PostgresServer;
  admin?: AdminConnection;
  pace?: WalPace;
  port: number;
}

const KILL_TIMEOUT_MS = 2_000;
const LOG_TAIL_CHARACTERS = 4_000;

/** Takes down whatever is there and deletes its files. */
export async function release(parts: ComputeParts): Promise<void> {
  parts.pace?.close();
  await parts.postgres?.stop('immediate', KILL_TIMEOUT_MS);
  parts.walproposer.close();
  await parts.admin?.close();
  await parts.agent?.stop();
  if (parts.admin !== undefined) await parts.keepReads?.();
  await parts.pageService.close();
  await discard(parts);
}

/**
 * Ends what works there and frees the names of a compute's files, once nobody can write to them any more.
 * @throws Unavailable when a process there does not end; the files stay as they are
 */
export async function discard({ paths, spares }: Pick<ComputeParts, 'paths' | 'spares'>): Promise<void> {
  await killProcessesIn(paths.root);
  await spares.keep(paths.data);
  await rm(paths.sockets, { recursive: true, force: true });
  await rm(paths.root, { recursive: true, force: true });
}

/** The end of Postgres' log. */
export function postgresLog({ log }: ComputePaths): string {
  try {
    return readFileSync(log, 'utf8').slice(-LOG_TAIL_CHARACTERS);
  } catch {
    return '';
  }
}
