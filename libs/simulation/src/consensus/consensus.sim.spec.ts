import { live } from './lives';
import { runConsensusSeed } from './run';
import { SEEDS } from './seeds';

/** The other half is in `more-lives.sim.spec.ts`, for another core. */
const SEED_COUNT = 5_000;

describe('consensus under simulated faults', () => {
  test(`no promise is broken in ${SEED_COUNT} random lives of a timeline`, () => {
    const { elections, generations, removals, returns, acknowledgedBytes } = live({ firstSeed: 1, count: SEED_COUNT });
    // The schedules are worth something only while the system makes progress under them.
    expect(elections).toBeGreaterThan(3 * SEED_COUNT);
    expect(generations).toBeGreaterThan(5 * SEED_COUNT);
    expect(removals).toBeGreaterThan(0.5 * SEED_COUNT);
    expect(returns).toBeGreaterThan(0.2 * SEED_COUNT);
    expect(acknowledgedBytes).toBeGreaterThan(10_000 * SEED_COUNT);
  });

  for (const seed of SEEDS)
    test(`seed ${seed}, which failed once, passes`, () => {
      expect(runConsensusSeed(seed).violation).toBeUndefined();
    });

  test('the same seed gives the same run (R1)', () => {
    expect(runConsensusSeed(7)).toEqual(runConsensusSeed(7));
  });
});
