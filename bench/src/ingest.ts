/** How fast a pageserver catches up: it is stopped while WAL is written, and timed from its start until it has all of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProject, neon, runProgram, status } from './installation';
import { type Row, type Suite, rate } from './row';

const SCALE = 30;

export const ingest: Suite = {
  name: 'ingest',
  what: 'WAL into layers, from a stopped pageserver to the end of the log',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-ingest');
    try {
      const { user, password, database } = project.login;
      const { port } = await project.compute();
      const args = ['-h', '127.0.0.1', '-p', String(port), '-U', user, database];
      // Reads the catalog pages that the measured run needs while no pageserver is there.
      await runProgram('pgbench', ['-i', '-q', '-s', '1', ...args], { PGPASSWORD: password });
      const from = await insertLsn(project);
      const pid = status().services.find((service) => service.name === 'pageserver')?.pid;
      if (pid == null) throw new Error('the pageserver does not run');
      process.kill(pid, 'SIGKILL');
      await runProgram('pgbench', ['-i', '-q', '-s', String(SCALE), ...args], { PGPASSWORD: password });
      const to = await insertLsn(project);
      report(`${Math.round((to - from) / 1e6)} MB of WAL to ingest`);
      const started = performance.now();
      neon('up');
      // The first read at the new end returns when ingest has reached it.
      await project.suspend();
      await project.query('SELECT 1');
      const seconds = (performance.now() - started) / 1000;
      return [
        rate('ingest of pgbench -i, pageserver start and a cold start included', (to - from) / 1e6 / seconds, 'MB/s'),
      ];
    } finally {
      await project.delete();
      await sleep(0);
    }
  },
};

async function insertLsn(project: BenchProject): Promise<number> {
  return Number((await project.query("SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes"))[0]?.['bytes']);
}
