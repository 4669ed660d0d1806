/** Many lives in a row, for the specs: a failure names its seed. */
import { runConsensusSeed } from './run';

export interface Lives {
  readonly elections: number;
  readonly generations: number;
  readonly removals: number;
  readonly returns: number;
  readonly acknowledgedBytes: number;
}

export function live({ firstSeed, count }: { readonly firstSeed: number; readonly count: number }): Lives {
  const totals = { elections: 0, generations: 0, removals: 0, returns: 0, acknowledgedBytes: 0 };
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const run = runConsensusSeed(seed);
    if (run.violation !== undefined) throw new Error(`seed ${seed}: ${run.violation.message}`);
    totals.elections += run.elections;
    totals.generations += run.generations;
    totals.removals += run.removals;
    totals.returns += run.returns;
    totals.acknowledgedBytes += run.acknowledgedBytes;
  }
  return totals;
}
