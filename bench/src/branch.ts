/** How long a branch takes, at two sizes of its parent: it must not depend on the size. While a pageserver ingests, nothing is measured. */
import { BenchProject } from './installation';
import { PageserverManagement } from './pageserver';
import { type Row, type Suite, duration, percentile } from './row';

const ROUNDS = 10;
const ROW_BYTES = 130;

interface Medians {
  /** When everything is ingested, and layers are still being written and compacted. */
  readonly ingested: number;
  /** When that is done too. */
  readonly settled: number;
}

export const branch: Suite = {
  name: 'branch',
  what: 'creating a branch of a small and of a large database',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-branch');
    await project.query('CREATE TABLE filler (id bigint, hash text, rest text)');
    const pageserver = await PageserverManagement.open(project);
    const measured = async (size: string, bytes: number): Promise<Medians> => {
      report(`filling up to ${size}`);
      await project.query(
        `INSERT INTO filler SELECT g, md5(g::text), repeat('x', 50) FROM generate_series(1, ${Math.round(bytes / ROW_BYTES)}) g`,
      );
      const waitedMs = await pageserver.caughtUp();
      const ingested = await branchMedian(project);
      await pageserver.settleLayers();
      const settled = await branchMedian(project);
      report(
        `${size}: ingested ${Math.round(waitedMs)} ms after the fill, then ${Math.round(ingested)} ms; settled, ${Math.round(settled)} ms`,
      );
      return { ingested, settled };
    };
    const small = await measured('10 MB', 10e6);
    const large = await measured('1 GB', 1e9);
    const peer = { name: 'branch of 10 MB', value: small.settled };
    return [
      duration('branch of 10 MB, p50', small.settled),
      duration('branch of 1 GB, p50', large.settled, peer),
      duration('branch of 1 GB while it is compacted, p50', large.ingested, peer),
    ];
  },
};

async function branchMedian(project: BenchProject): Promise<number> {
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) samples.push(await createBranch(project));
  return percentile(samples, 0.5);
}

/** From the request to the end of its operations. */
async function createBranch(project: BenchProject): Promise<number> {
  const started = performance.now();
  await project.api.createProjectBranch(project.id, { branch: { parent_id: project.branchId } });
  await project.settled();
  return performance.now() - started;
}
