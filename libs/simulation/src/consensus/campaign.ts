/**
 * Many seeds, and proof that the checkers can see: `./neon verify consensus`.
 *
 * @example runConsensusSimulation({ seeds: 500, seed: 1, report: console.log }) // { ok: true, … }
 */
import { MUTANTS, type Mutant } from './mutant';
import { type RunReport, runConsensusSeed } from './run';

export interface ConsensusSimulationOptions {
  /** How many seeds to run, unless `minutes` ends it earlier. */
  readonly seeds: number;
  /** The first seed; the others follow it. */
  readonly seed: number;
  readonly minutes?: number;
  /** Called with a line of text now and then. */
  readonly report: (line: string) => void;
  /** Milliseconds, for `minutes`; the wall clock by default. */
  readonly now?: () => number;
}

export interface ConsensusSimulationResult {
  readonly ok: boolean;
  readonly runs: number;
  readonly events: number;
  readonly elections: number;
  readonly acknowledgedBytes: number;
  /** Seeds of runs in which a promise was broken. */
  readonly failed: readonly { readonly seed: number; readonly violation: string }[];
  /** Planted bugs and the seed that caught each; undefined when none did. */
  readonly planted: readonly { readonly name: string; readonly caughtBy: number | undefined }[];
}

const REPORT_EVERY = 250;
const MUTANT_SEEDS_MAX = 300;

export function runConsensusSimulation(options: ConsensusSimulationOptions): ConsensusSimulationResult {
  const now = options.now ?? Date.now;
  const endMs = options.minutes === undefined ? Infinity : now() + options.minutes * 60_000;
  const planted = MUTANTS.map((mutant) => {
    const caught = catchMutant(mutant, options.seed);
    options.report(
      caught === undefined
        ? `planted bug NOT caught: ${mutant.name}`
        : `planted bug caught: ${mutant.name} (seed ${caught.seed}, ${caught.violation?.message})`,
    );
    return { name: mutant.name, caughtBy: caught?.seed };
  });
  const totals = { runs: 0, events: 0, elections: 0, acknowledgedBytes: 0 };
  const failed: { seed: number; violation: string }[] = [];
  for (let i = 0; i < options.seeds && now() < endMs; i++) {
    const run = runConsensusSeed(options.seed + i);
    totals.runs++;
    totals.events += run.events;
    totals.elections += run.elections;
    totals.acknowledgedBytes += run.acknowledgedBytes;
    if (run.violation !== undefined) {
      failed.push({ seed: run.seed, violation: run.violation.message });
      options.report(`seed ${run.seed} failed: ${run.violation.message}`);
    }
    if (totals.runs % REPORT_EVERY === 0)
      options.report(
        `${totals.runs} runs, ${totals.events} events, ${totals.elections} elections, ${failed.length} failed`,
      );
  }
  const ok = failed.length === 0 && planted.every(({ caughtBy }) => caughtBy !== undefined);
  return { ok, ...totals, failed, planted };
}

/** The first run in which the planted bug breaks one of the watched promises; all are watched by default. */
export function catchMutant(mutant: Mutant, seed: number, watched?: readonly string[]): RunReport | undefined {
  for (let i = 0; i < MUTANT_SEEDS_MAX; i++) {
    const run = runConsensusSeed(seed + i, { mutant, watched });
    if (run.violation !== undefined) return run;
  }
  return undefined;
}
