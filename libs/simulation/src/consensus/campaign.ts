/**
 * Many seeds, and proof that the checkers can see: `./neon verify consensus`.
 *
 * @example runConsensusSimulation({ extent: { seeds: 500 }, seed: 1, report: console.log }) // { ok: true, … }
 */
import { OUTCOMES } from './checker';
import { LEARNING_MUTANTS } from './learning-mutants';
import { MEMBERSHIP_MUTANTS } from './membership-mutants';
import { LOG_MUTANTS, type Mutant } from './mutant';
import { type RunReport, runConsensusSeed } from './run';

/** Planted bugs: each of them must be caught. */
export const MUTANTS: readonly Mutant[] = [...LOG_MUTANTS, ...MEMBERSHIP_MUTANTS, ...LEARNING_MUTANTS];

export interface ConsensusSimulationOptions {
  /** How many seeds to run, or for how long. */
  readonly extent: { readonly seeds: number } | { readonly minutes: number };
  /** The first seed; the others follow it. */
  readonly seed: number;
  /** Called with a line of text now and then. */
  readonly report: (line: string) => void;
  /** Milliseconds, for minutes; the wall clock by default. */
  readonly now?: () => number;
}

export interface ConsensusSimulationResult {
  readonly ok: boolean;
  readonly runs: number;
  readonly events: number;
  readonly elections: number;
  readonly generations: number;
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
  const { extent } = options;
  const endMs = 'minutes' in extent ? now() + extent.minutes * 60_000 : Infinity;
  const seedCount = 'seeds' in extent ? extent.seeds : Infinity;
  const planted = MUTANTS.map((mutant) => {
    const caught = catchMutant(mutant);
    options.report(
      caught === undefined
        ? `planted bug NOT caught: ${mutant.name}`
        : `planted bug caught: ${mutant.name} (seed ${caught.seed}, ${caught.violation?.message})`,
    );
    return { name: mutant.name, caughtBy: caught?.seed };
  });
  const totals = { runs: 0, events: 0, elections: 0, generations: 0, acknowledgedBytes: 0 };
  const failed: { seed: number; violation: string }[] = [];
  for (let i = 0; i < seedCount && now() < endMs; i++) {
    const run = runConsensusSeed(options.seed + i);
    totals.runs++;
    totals.events += run.events;
    totals.elections += run.elections;
    totals.generations += run.generations;
    totals.acknowledgedBytes += run.acknowledgedBytes;
    if (run.violation !== undefined) {
      failed.push({ seed: run.seed, violation: run.violation.message });
      options.report(`seed ${run.seed} failed: ${run.violation.message}`);
    }
    if (totals.runs % REPORT_EVERY === 0)
      options.report(
        `${totals.runs} runs, ${totals.events} events, ${totals.elections} elections, ${totals.generations} memberships, ${failed.length} failed`,
      );
  }
  const ok = failed.length === 0 && planted.every(({ caughtBy }) => caughtBy !== undefined);
  return { ok, ...totals, failed, planted };
}

/** The first run in which the planted bug breaks one of the watched promises; all are watched by default. */
export function catchMutant(mutant: Mutant, options: { readonly outcomesAlone?: boolean } = {}): RunReport | undefined {
  const first = (options.outcomesAlone === true ? mutant.outcomeSeed : mutant.seed) ?? 1;
  const watched = options.outcomesAlone === true ? OUTCOMES : undefined;
  for (let i = 0; i < MUTANT_SEEDS_MAX; i++) {
    const run = runConsensusSeed(first + i, { mutant, watched });
    if (run.violation !== undefined) return run;
  }
  return undefined;
}
