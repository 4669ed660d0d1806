/** From a client's TCP connect to its first row, on an endpoint that is suspended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProject } from './installation';
import { type Row, type Suite, duration, percentile } from './row';

const ROUNDS = 20;
const PAUSE_MS = 200;

export const coldStart: Suite = {
  name: 'cold-start',
  what: 'client connect to first row of a suspended endpoint',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-cold-start');
    const cold: number[] = [];
    const warm: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await project.suspend();
      await sleep(PAUSE_MS);
      cold.push(await firstRow(project));
      warm.push(await firstRow(project));
      report(`round ${round + 1}: ${Math.round(cold.at(-1) ?? 0)} ms cold, ${Math.round(warm.at(-1) ?? 0)} ms running`);
    }
    return [
      duration('cold start to first row, p50', percentile(cold, 0.5), {
        name: 'connect to a running endpoint, p50',
        value: percentile(warm, 0.5),
      }),
      duration('cold start to first row, p99', percentile(cold, 0.99), {
        name: 'connect to a running endpoint, p99',
        value: percentile(warm, 0.99),
      }),
    ];
  },
};

async function firstRow(project: BenchProject): Promise<number> {
  const started = performance.now();
  const client = await project.connect();
  await client.query('SELECT 1');
  const elapsed = performance.now() - started;
  await client.end();
  return elapsed;
}
