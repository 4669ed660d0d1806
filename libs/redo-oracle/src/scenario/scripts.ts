/** Scripts for each access method, what needs two sessions, databases, tablespaces, and random clients at last. */
import { makeRandomTables, runRandomClients, runScript, runScripts } from '../workload/run-workload';
import { tablespaceStatements } from '../workload/tablespace-script';
import type { Scenario } from './scenario';

export const scripts: Scenario = {
  name: 'scripts',
  async run(cluster, context) {
    const { report, size } = context;
    cluster.record();
    await cluster.start();
    await runScripts(cluster, context);
    await cluster.session(async (client) => {
      report('tablespaces');
      await runScript(client, { name: 'tablespace', statements: tablespaceStatements(cluster.folder('space')) });
      // Pages come as images the first time they change after a checkpoint, here: redo must take up from there.
      await client.query('ALTER SYSTEM SET full_page_writes = on');
      await client.query('SELECT pg_reload_conf()');
      await client.query('CHECKPOINT');
      report(`${size.clients} clients, ${size.transactionsPerClient} random transactions each`);
      await makeRandomTables(cluster);
      await runRandomClients(cluster, context);
      await client.query('VACUUM');
    });
    await cluster.stop();
  },
};
