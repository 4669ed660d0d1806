/**
 * Scripts for each access method, what needs two sessions, databases, tablespaces, random clients, and what is to be seen in
 * the end.
 *
 * A short run stays below 4 GiB of WAL. Where the upper half of every LSN is zero, redo that forgets it is right all the same:
 * begun shortly before a multiple of 4 GiB, a run has LSNs with two upper halves.
 */
import { Lsn } from '@neon/kernel';
import { lastScript } from '../workload/last-script';
import { imageScript, rareHeapScript, rareIndexScript } from '../workload/rare-scripts';
import { runSpeculative } from '../workload/run-speculative';
import { makeRandomTables, runRandomClients, runScript, runScripts } from '../workload/run-workload';
import { tablespaceStatements } from '../workload/tablespace-script';
import { moveWal } from './move-wal';
import type { Scenario } from './scenario';

const FIRST_LSN = Lsn.parse('2/F0000000');

export const scripts: Scenario = {
  name: 'scripts',
  async run(cluster, context) {
    const { report, size } = context;
    moveWal(cluster, FIRST_LSN);
    cluster.record();
    await cluster.start();
    await runSpeculative(cluster);
    await cluster.session(async (client) => {
      for (const each of [rareHeapScript, rareIndexScript]) {
        report(`script ${each.name}`);
        await runScript(client, each);
      }
    });
    await runScripts(cluster, context);
    await cluster.session(async (client) => {
      report('tablespaces');
      await runScript(client, { name: 'tablespace', statements: tablespaceStatements(cluster.folder('space')) });
      // Pages come as images the first time they change after a checkpoint, here: redo must take up from there.
      await client.query('ALTER SYSTEM SET full_page_writes = on');
      await client.query('SELECT pg_reload_conf()');
      await client.query('CHECKPOINT');
      report(`script ${imageScript.name}`);
      await runScript(client, imageScript);
      report(`${size.clients} clients, ${size.transactionsPerClient} random transactions each`);
      await makeRandomTables(cluster);
      await runRandomClients(cluster, context);
      await client.query('VACUUM');
      await runScript(client, lastScript);
    });
    await cluster.stop();
  },
};
