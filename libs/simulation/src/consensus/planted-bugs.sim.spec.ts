import { MUTANTS, catchMutant } from './campaign';

describe('a planted bug is caught', () => {
  test.each(MUTANTS)('$name', (mutant) => {
    expect(catchMutant(mutant)).toBeDefined();
  });
});

describe('its damage is seen, without looking at how it comes about: bytes that differ, acknowledged WAL that is missing', () => {
  test.each(MUTANTS.filter(({ outcomeSeed }) => outcomeSeed !== undefined))('$name', (mutant) => {
    expect(catchMutant(mutant, { outcomesAlone: true })).toBeDefined();
  });
});
