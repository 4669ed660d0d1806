/**
 * How fast a pageserver catches up: it is killed before WAL is written, and timed from its first answer after a start until all of
 * that WAL is in its layers on disk.
 */
import { Lsn } from '@neon/kernel';
import { BenchProject, cpuSeconds, neonBegun, runProgram, running, startedPid } from './installation';
import { PageserverManagement } from './pageserver';
import { type Row, type Suite, rate } from './row';

const SCALE = 30;
const CLIENTS = 8;
/** Backpressure lets writers go on until the pageserver is some hundreds of megabytes behind. */
const TRANSACTIONS_PER_CLIENT = 20_000;

export const ingest: Suite = {
  name: 'ingest',
  what: 'WAL into layers on disk, from the first answer of a pageserver that starts',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-ingest');
    try {
      const { user, password, database } = project.login;
      const { port } = await project.compute();
      const pgbench = async (...args: string[]): Promise<void> => {
        await runProgram('pgbench', [...args, '-h', '127.0.0.1', '-p', String(port), '-U', user, database], {
          PGPASSWORD: password,
        });
      };
      const pageserver = await PageserverManagement.open(project);
      const measured = async (name: string, write: () => Promise<void>): Promise<Row[]> => {
        await pageserver.settleLayers();
        process.kill(running('pageserver').pid, 'SIGKILL');
        await write();
        const written = await insertLsn(project);
        const started = neonBegun('up');
        const { bytes, seconds } = await pageserver.untilDurable(written);
        const cpu = cpuSeconds(startedPid('pageserver'));
        await started;
        report(`${name}: ${Math.round(bytes / 1e6)} MB of WAL in ${seconds.toFixed(1)} s`);
        return [
          rate(`durable ingest of ${name}`, bytes / 1e6 / seconds, 'MB/s'),
          rate(`ingest of ${name}, per second of pageserver CPU, its start included`, bytes / 1e6 / cpu, 'MB/s'),
        ];
      };
      // Reads the catalog pages that the measured runs need while no pageserver is there.
      await pgbench('-i', '-q', '-s', '1');
      const load = await measured('pgbench -i', () => pgbench('-i', '-q', '-s', String(SCALE)));
      const transactions = ['-n', '-c', String(CLIENTS), '-t', String(TRANSACTIONS_PER_CLIENT)];
      return [...load, ...(await measured('pgbench', () => pgbench(...transactions)))];
    } finally {
      await project.delete();
    }
  },
};

async function insertLsn(project: BenchProject): Promise<Lsn> {
  const [row] = await project.query('SELECT pg_current_wal_insert_lsn() AS lsn');
  return Lsn.parse(String(row?.['lsn']));
}
