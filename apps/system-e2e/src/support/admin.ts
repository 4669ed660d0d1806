/** An operator's session on a compute: as the platform's superuser, over the private socket that only this OS user may use. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Branch } from './project';
import { dataDirectoryOf } from './system';

const SUPERUSER = 'cloud_admin';

export async function withAdmin<T>(
  { endpointId }: Branch,
  use: (client: Client) => Promise<T>,
  { database = 'neondb' } = {},
): Promise<T> {
  // postmaster.pid: pid, data directory, start time, port, socket directory, … (miscadmin.h, LOCK_FILE_LINE_*).
  const lines = readFileSync(join(dataDirectoryOf(endpointId), 'postmaster.pid'), 'utf8').split('\n');
  const client = new Client({ host: lines[4] ?? '', port: Number(lines[3]), user: SUPERUSER, database });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
