/** The little that makes relations and databases come and go: a recording that is replayed in a few seconds. */
import type { Scenario } from '../scenario/scenario';
import { databaseScript } from '../workload/database-script';
import { heapScript } from '../workload/heap-script';
import { lastScript } from '../workload/last-script';
import { runScript } from '../workload/run-workload';

export const structure: Scenario = {
  name: 'structure',
  async run(cluster, { major }) {
    cluster.record();
    await cluster.start();
    await cluster.session(async (client) => {
      for (const each of [heapScript, databaseScript(major), lastScript]) await runScript(client, each);
    });
    await cluster.stop();
  },
};
