/** A full scan right after a cold start: every page comes from the pageserver; beside the same scan with every page local. */
import { BenchProject } from './installation';
import { type Row, type Suite, rate } from './row';

const ROWS = 3_000_000;

export const hydration: Suite = {
  name: 'hydration',
  what: 'full scan of absent pages, and of present ones',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-hydration');
    await project.query(
      `CREATE TABLE filler AS SELECT g AS id, md5(g::text) AS hash, repeat('x', 60) AS rest FROM generate_series(1, ${ROWS}) g`,
    );
    await project.query('VACUUM FREEZE filler');
    const megabytes = Number((await project.query("SELECT pg_relation_size('filler') AS size"))[0]?.['size']) / 1e6;
    await project.suspend();
    await project.query('SELECT 1');
    const cold = await scan(project);
    const warm = await scan(project);
    report(`${Math.round(megabytes)} MB: ${cold.toFixed(2)} s absent, ${warm.toFixed(2)} s present`);
    return [
      rate('full scan of absent pages', megabytes / cold, 'MB/s', {
        name: 'full scan of present pages',
        value: megabytes / warm,
      }),
    ];
  },
};

async function scan(project: BenchProject): Promise<number> {
  const started = performance.now();
  await project.query('SET max_parallel_workers_per_gather = 0; SELECT count(hash) FROM filler');
  return (performance.now() - started) / 1000;
}
