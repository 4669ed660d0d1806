/**
 * How fast a pageserver catches up: it is paused while WAL is written, and timed from when it goes on until all of that WAL is in its
 * layers on disk.
 */
import { Lsn } from '@neon/kernel';
import { atEnd } from './at-end';
import { BenchProject, cpuSeconds, runProgram, running } from './installation';
import { PageserverManagement } from './pageserver';
import { type Row, type Suite, rate } from './row';

const SCALE = 30;
const CLIENTS = 8;
/** Backpressure lets writers go on until the pageserver is some hundreds of megabytes behind. */
const TRANSACTIONS_PER_CLIENT = 20_000;

export const ingest: Suite = {
  name: 'ingest',
  what: 'WAL into layers on disk, by a pageserver that was paused',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-ingest');
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
      const from = await pageserver.lastRecordLsn();
      const { pid } = running('pageserver');
      process.kill(pid, 'SIGSTOP');
      const goOn = atEnd(() => process.kill(pid, 'SIGCONT'));
      const to = await write()
        .then(() => insertLsn(project))
        .finally(goOn);
      const [startedMs, startedCpu] = [performance.now(), cpuSeconds(pid)];
      await pageserver.untilReached(to);
      await pageserver.checkpoint();
      const seconds = (performance.now() - startedMs) / 1000;
      const megabytes = (to - from) / 1e6;
      report(`${name}: ${Math.round(megabytes)} MB of WAL in ${seconds.toFixed(1)} s`);
      return [
        rate(`durable ingest of ${name}`, megabytes / seconds, 'MB/s'),
        rate(`the same, per second of its CPU`, megabytes / (cpuSeconds(pid) - startedCpu), 'MB/s'),
      ];
    };
    const load = (): Promise<void> => pgbench('-i', '-q', '-s', String(SCALE));
    const transactions = (): Promise<void> =>
      pgbench('-n', '-c', String(CLIENTS), '-t', String(TRANSACTIONS_PER_CLIENT));
    // The first time it runs cold code.
    for (const write of [load, transactions]) await write();
    await pageserver.caughtUp();
    return [...(await measured('pgbench -i', load)), ...(await measured('pgbench', transactions))];
  },
};

async function insertLsn(project: BenchProject): Promise<Lsn> {
  const [row] = await project.query('SELECT pg_current_wal_insert_lsn() AS lsn');
  return Lsn.parse(String(row?.['lsn']));
}
