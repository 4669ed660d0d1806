/**
 * The mutation check: redo is broken in one place after the other, and the oracle must notice each time.
 *
 *   Z1  A mutant counts as caught when a replay with it would have been found wrong by what `verifyRedo` compares. One that
 *       is not may still be caught by a spec of libs/postgres, which is counted apart.
 *   Z2  A run fails when a mutant survives that is not in the list of those that cannot be caught, or when that list names one
 *       that does not exist, or that is caught.
 *   Z3  Several majors are one run: a mutant need be caught by one of them.
 */
import { join } from 'node:path';
import { loadBase } from '../load-base';
import type { Recording } from '../recording';
import type { Distribution } from '@neon/postgres-server';
import { SCENARIOS, withRecording, type VerifyRedoOptions } from '../verify-redo';
import { readWal } from '../wal-files';
import { RandomSource } from '../workload/random-source';
import { Allowance } from './allowance';
import { reasonOf, staleEntries } from './listed';
import { functionOf, groupBy, mutantName, type Mutant } from './mutant';
import { buildMutatedRedo, type MutatedRedo } from './mutated-redo';
import { MutationPass, type Catch } from './mutation-pass';
import type { MutantOutcome, MutationReport, Outcome } from './mutation-report';
import { replayMutant } from './replay-mutant';
import { catchesBySpecs } from './spec-run';
import { structure } from './structure-scenario';

export interface VerifyMutationsOptions extends Omit<VerifyRedoOptions, 'distribution' | 'furtherScenarios'> {
  /** The repository, whose sources are mutated. */
  readonly checkout: string;
  /** The servers to record with, one after the other, each of another major. */
  readonly distributions: readonly Distribution[];
}

/** Small ones first: a mutant that has to be replayed by itself is, with the first recording that it is passed in. */
const MUTATION_SCENARIOS = [structure, ...SCENARIOS];

interface Progress {
  readonly mutated: MutatedRedo;
  readonly caught: Map<number, { by: Catch; major: number }>;
  readonly reached: Set<number>;
  readonly log: (line: string) => void;
}

export async function verifyMutations(options: VerifyMutationsOptions): Promise<MutationReport> {
  const { checkout, workDir, quick, seed, report, distributions } = options;
  const mutated = await buildMutatedRedo({
    checkout,
    workDir: join(workDir, 'mutated'),
    choose: (mutants) => (quick ? sample(mutants, seed) : new Set(mutants.map(({ id }) => id))),
  });
  const { chosen } = mutated;
  report(`${mutated.mutants.length} mutants, ${chosen.size} of them tried, seed ${seed}`);
  const progress: Progress = {
    mutated,
    caught: new Map(),
    reached: new Set(),
    log: (line) => report(`  ${line}`),
  };
  for (const distribution of distributions)
    for (const scenario of MUTATION_SCENARIOS)
      await withRecording({ ...options, quick: true, distribution }, scenario, (recording) =>
        tryMutants(recording, progress),
      );
  const left = [...chosen].filter((id) => !progress.caught.has(id));
  progress.log(`${left.length} mutants are left to the specs of libs/postgres`);
  const bySpecs = await catchesBySpecs(mutated, { checkout, candidates: left });
  const outcomes = mutated.mutants
    .filter(({ id }) => chosen.has(id))
    .map((mutant): MutantOutcome => ({ mutant, outcome: outcomeOf(mutant, progress, bySpecs) }));
  const listedButCaught = outcomes
    .filter(({ mutant, outcome }) => outcome.status !== 'equivalent' && reasonOf(mutant) !== undefined)
    .map(({ mutant }) => mutantName(mutant));
  const postgresVersions = distributions.map(({ version }) => version);
  return { seed, postgresVersions, outcomes, stale: staleEntries(mutated.mutants), listedButCaught };
}

/** One mutant of each function, of those that are not listed. */
function sample(mutants: readonly Mutant[], seed: number): ReadonlySet<number> {
  const random = new RandomSource(seed);
  const candidates = mutants.filter((mutant) => reasonOf(mutant) === undefined);
  const chosen = [...groupBy(candidates, functionOf).values()].map((of) => of[random.below(of.length)]);
  return new Set(chosen.flatMap((mutant) => mutant?.id ?? []));
}

function tryMutants(recording: Recording, progress: Progress): void {
  const { mutated, caught, log } = progress;
  const { chosen } = mutated;
  const { major } = recording.range;
  const leftOver = runPass(recording, progress);
  if (leftOver.length > 0) log(`${leftOver.length} mutants change more than pages: each is replayed by itself`);
  for (const mutant of leftOver.flatMap((id) => mutated.mutants[id] ?? [])) {
    if (reasonOf(mutant) !== undefined) continue;
    const by = replayMutant(mutated, recording, mutant.id);
    if (by !== null) caught.set(mutant.id, { by, major });
  }
  log(`${caught.size} of ${chosen.size} mutants caught`);
}

/** Tries on one way through the code, and of a mutant that deviates and is not caught. Listed mutants get the fewest. */
const PASSING_MAX = 60;
const DEVIATING_MAX = 5_000;
const LISTED_MAX = 5;

/** @returns mutants that are left over for a replay of their own */
function runPass({ baseDir, dataDir, range, settings }: Recording, progress: Progress): number[] {
  const { mutated, caught, reached } = progress;
  const { mutants, redo, chosen } = mutated;
  const { major } = range;
  const listed = new Set(mutants.filter((mutant) => reasonOf(mutant) !== undefined).map(({ id }) => id));
  const allowance = (max: number): Allowance => new Allowance((id) => (listed.has(id) ? LISTED_MAX : max));
  const patience = { passing: allowance(PASSING_MAX), deviating: allowance(DEVIATING_MAX) };
  const store = loadBase(baseDir, { major, codecs: settings, redo });
  const pass = new MutationPass(mutated, {
    major,
    store,
    settings,
    patience,
    isOpen: (id) => chosen.has(id) && !caught.has(id),
  });
  for (const record of readWal(dataDir, range)) pass.step(record);
  pass.finish();
  for (const [id, by] of pass.caught) caught.set(id, { by, major });
  for (const id of pass.reached) reached.add(id);
  return [...pass.leftOver];
}

function outcomeOf(mutant: Mutant, { caught, reached }: Progress, bySpecs: ReadonlyMap<number, string>): Outcome {
  const found = caught.get(mutant.id);
  if (found !== undefined) return { status: 'caught', ...found };
  const spec = bySpecs.get(mutant.id);
  if (spec !== undefined) return { status: 'by spec', spec };
  const reason = reasonOf(mutant);
  if (reason !== undefined) return { status: 'equivalent', reason };
  return { status: reached.has(mutant.id) ? 'survived' : 'unreached' };
}
