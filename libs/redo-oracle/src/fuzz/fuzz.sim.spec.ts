import { join } from 'node:path';
import { readSeeds } from './corpus';
import { runFuzz, type FuzzFailure } from './fuzz';

const CASES = 8_000;

describe('mutated WAL, records and deltas', () => {
  it('V1–V5: hold for whatever comes', () => {
    const failures: FuzzFailure[] = [];
    const result = runFuzz({
      corpus: readSeeds(join(__dirname, 'corpus')),
      seed: 1,
      more: (count) => count < CASES,
      failed: (failure) => failures.push(failure),
    });
    expect(failures.map(({ seed, violation }) => `seed ${seed}: ${violation}`)).toEqual([]);
    expect(result).toEqual({ caseCount: CASES, failureCount: 0 });
  });
});
