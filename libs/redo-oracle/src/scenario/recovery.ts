/**
 * What only a server that recovers writes: the end of a backup, a record that a crash tore and what overwrites it, and a promotion.
 */
import { closeSync, ftruncateSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { WAL_PAGE_SIZE, WalSegment, DEFAULT_WAL_SEGMENT_SIZE as segmentSize, type PostgresMajor } from '@neon/postgres';
import type { Client } from 'pg';
import type { OracleCluster } from '../oracle-cluster';
import type { Scenario } from './scenario';

export const recovery: Scenario = {
  name: 'recovery',
  async run(cluster, { major, report }) {
    cluster.record();
    // Nothing may reach data files that is not in what the tear leaves.
    await cluster.start({ bgwriter_lru_maxpages: '0' });
    await cluster.run([
      'CREATE TABLE survivor (k int PRIMARY KEY)',
      'INSERT INTO survivor SELECT generate_series(1, 500)',
    ]);
    await cluster.session((client) => backup(client, major));
    report('a crash tears a record');
    await tearRecord(cluster);
    await cluster.start();
    await cluster.run(['INSERT INTO survivor SELECT generate_series(501, 900)', 'CHECKPOINT']);
    await cluster.stop();
    report('a standby is promoted');
    await promote(cluster);
    await cluster.run(['DELETE FROM survivor WHERE k % 3 = 0', 'VACUUM survivor']);
    await cluster.stop();
  },
};

async function backup(client: Client, major: PostgresMajor): Promise<void> {
  const [start, stop] = major === 14 ? ['start_backup', 'stop_backup(false)'] : ['backup_start', 'backup_stop()'];
  await client.query(`SELECT pg_${start}('oracle', true${major === 14 ? ', false' : ''})`);
  await client.query('INSERT INTO survivor VALUES (0)');
  await client.query(`SELECT * FROM pg_${stop}`);
}

/** Pages of the record that are left, the one it begins on included. */
const PAGES_LEFT = 4;

/** Ends the server in the middle of a long record: everything from one of the pages it goes on on is zeros. */
async function tearRecord(cluster: OracleCluster): Promise<void> {
  const lsn = await cluster.session(async (client) => {
    await client.query('CHECKPOINT');
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    await client.query(`SELECT pg_logical_emit_message(false, 'torn', repeat('x', 200000))`);
    // Its commit flushes what was emitted.
    await client.query('INSERT INTO survivor VALUES (-1)');
    return Lsn.parse(rows[0]?.lsn ?? '');
  });
  await cluster.stop('immediate');
  zeroWal(cluster.dataDir, Lsn.advance(Lsn.of(lsn - (lsn % WAL_PAGE_SIZE)), PAGES_LEFT * WAL_PAGE_SIZE));
}

function zeroWal(dataDir: string, lsn: Lsn): void {
  const walDir = join(dataDir, 'pg_wal');
  const torn = WalSegment.fileName({ lsn, segmentSize });
  for (const name of readdirSync(walDir)) if (/^[0-9A-F]{24}$/.test(name) && name > torn) rmSync(join(walDir, name));
  const descriptor = openSync(join(walDir, torn), 'r+');
  ftruncateSync(descriptor, WalSegment.offset({ lsn, segmentSize }));
  writeSync(descriptor, new Uint8Array(1), 0, 1, segmentSize - 1);
  closeSync(descriptor);
}

async function promote(cluster: OracleCluster): Promise<void> {
  const signal = join(cluster.dataDir, 'standby.signal');
  writeFileSync(signal, '');
  cluster.giveAway(signal);
  await cluster.start();
  await cluster.run(['SELECT pg_promote()']);
}
