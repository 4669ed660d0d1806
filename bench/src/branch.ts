/** How long a branch takes, at two sizes of its parent: it must not depend on the size. A pageserver that still ingests is not measured. */
import { BenchProject } from './installation';
import { PageserverManagement } from './pageserver';
import { type Row, type Suite, duration, percentile } from './row';

const ROUNDS = 10;
const ROW_BYTES = 130;
const SIZES = { '10 MB': 10e6, '1 GB': 1e9 };

export const branch: Suite = {
  name: 'branch',
  what: 'creating a branch of a small and of a large database',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-branch');
    try {
      const medians: Record<string, number> = {};
      await project.query('CREATE TABLE filler (id bigint, hash text, rest text)');
      const pageserver = await PageserverManagement.open(project);
      for (const [size, bytes] of Object.entries(SIZES)) {
        report(`filling up to ${size}`);
        await project.query(
          `INSERT INTO filler SELECT g, md5(g::text), repeat('x', 50) FROM generate_series(1, ${Math.round(bytes / ROW_BYTES)}) g`,
        );
        const waitedMs = await pageserver.caughtUp();
        const samples: number[] = [];
        for (let round = 0; round < ROUNDS; round++) samples.push(await createBranch(project));
        medians[size] = percentile(samples, 0.5);
        report(
          `${size}: ${Math.round(medians[size])} ms; the pageserver caught up ${Math.round(waitedMs)} ms after the fill`,
        );
      }
      const small = medians['10 MB'] ?? NaN;
      return [
        duration('branch of 10 MB, p50', small),
        duration('branch of 1 GB, p50', medians['1 GB'] ?? NaN, { name: 'branch of 10 MB', value: small }),
      ];
    } finally {
      await project.delete();
    }
  },
};

/** From the request to the end of its operations. */
async function createBranch(project: BenchProject): Promise<number> {
  const started = performance.now();
  await project.api.createProjectBranch(project.id, { branch: { parent_id: project.branchId } });
  await project.settled();
  return performance.now() - started;
}
