/**
 * The initdb result of one distribution, made once and imported for every project: making a project costs no initdb.
 *
 * A template is a cleanly shut down data directory without any configuration of ours. It appears under its name only
 * when it is whole, so a crash in between leaves a temporary directory that the next call removes.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Distribution } from './distribution';
import { initCluster } from './postgres-server';
import type { PostgresUser } from './postgres-user';

export interface Template {
  readonly major: number;
  readonly directory: string;
}

export async function ensureTemplate(
  templatesDir: string,
  distribution: Distribution,
  user: PostgresUser | null,
): Promise<Template> {
  const directory = join(templatesDir, String(distribution.major));
  if (existsSync(directory)) return { major: distribution.major, directory };
  mkdirSync(templatesDir, { recursive: true });
  const prefix = `${distribution.major}.making-`;
  for (const name of readdirSync(templatesDir)) {
    if (name.startsWith(prefix)) rmSync(join(templatesDir, name), { recursive: true });
  }
  const making = join(templatesDir, `${prefix}${process.pid}`);
  await initCluster(distribution, making, user);
  renameSync(making, directory);
  return { major: distribution.major, directory };
}
