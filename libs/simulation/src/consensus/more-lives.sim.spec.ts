import { live } from './lives';

const SEED_COUNT = 5_000;

test(`no promise is broken in ${SEED_COUNT} more lives of a timeline`, () => {
  expect(live({ firstSeed: 5_001, count: SEED_COUNT }).elections).toBeGreaterThan(SEED_COUNT);
});
