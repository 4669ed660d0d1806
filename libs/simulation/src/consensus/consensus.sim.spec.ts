import { catchMutant } from './campaign';
import { OUTCOMES } from './checker';
import { MUTANTS } from './mutant';
import { runConsensusSeed } from './run';
import { SEEDS } from './seeds';

const SEED_COUNT = 500;
const FIRST_SEED = 1;
/** From here on the rarest planted bug shows within ten seeds. */
const FIRST_MUTANT_SEED = 200;

describe('consensus under simulated faults', () => {
  test(`no promise is broken in ${SEED_COUNT} random lives of a timeline`, () => {
    let elections = 0;
    let acknowledgedBytes = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
      const run = runConsensusSeed(seed);
      if (run.violation !== undefined) throw new Error(`seed ${seed}: ${run.violation.message}`);
      elections += run.elections;
      acknowledgedBytes += run.acknowledgedBytes;
    }
    // The schedules are worth something only while the system makes progress under them.
    expect(elections).toBeGreaterThan(2 * SEED_COUNT);
    expect(acknowledgedBytes).toBeGreaterThan(1000 * SEED_COUNT);
  }, 120_000);

  for (const seed of SEEDS)
    test(`seed ${seed}, which failed once, passes`, () => {
      expect(runConsensusSeed(seed).violation).toBeUndefined();
    });

  test('the same seed gives the same run', () => {
    expect(runConsensusSeed(7)).toEqual(runConsensusSeed(7));
  });

  test.each(MUTANTS)('a planted bug is caught: $name', (mutant) => {
    expect(catchMutant(mutant, FIRST_MUTANT_SEED)).toBeDefined();
  });

  /** Without looking at how it comes about: bytes that differ, or acknowledged WAL that is missing. */
  for (const mutant of MUTANTS)
    if (mutant.outcomeSeed !== undefined)
      test(`its damage is seen too: ${mutant.name}`, () => {
        expect(catchMutant(mutant, mutant.outcomeSeed ?? FIRST_SEED, OUTCOMES)).toBeDefined();
      });
});
