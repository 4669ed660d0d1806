import { MUTANTS } from '../consensus/campaign';
import { checkModel } from './check';
import { SMALL_MODELS, sizeText } from './sizes';
import type { ModelSize } from './world';

const sizeOf = (name: string): ModelSize => SMALL_MODELS.find((model) => model.name === name)!.size;

describe('in every world that can be reached, no invariant is broken (Z1)', () => {
  test.each(SMALL_MODELS.map(({ size }) => ({ size, text: sizeText(size) })))('$text', ({ size }) => {
    const { broken, isComplete, states } = checkModel({ size });
    expect(broken).toBeUndefined();
    expect(isComplete).toBe(true);
    expect(states).toBeGreaterThan(10_000);
  });
});

describe('a planted bug is found, with the way there', () => {
  const CHANGING = { ...sizeOf('memberships'), proposers: 2 };
  const REMOVING = { ...CHANGING, removal: true };
  test.each([
    ['an acceptor votes twice in a term', sizeOf('terms'), 'term 1 is won twice'],
    ['an acceptor does not cut its log', sizeOf('terms'), 'is not what its history says'],
    ['a proposer takes the first voter for the donor', { ...sizeOf('terms'), entries: 2 }, 'is committed, and held by'],
    ['the membership generation is ignored', CHANGING, 'won twice'],
    ['a proposer counts the former set alone while two count', CHANGING, 'won twice'],
    ['a proposer counts the new set alone while two count', CHANGING, 'won twice'],
    ['a driver does not raise the terms of the new members', CHANGING, 'won twice'],
    ['one that is no member votes and counts', CHANGING, 'won twice'],
    ['a former member is removed before the new ones have taken over', REMOVING, 'won twice'],
    ['an acceptor learns without cutting its log', sizeOf('learning'), 'is not what its history says'],
    ['an acceptor learns what does not follow upon its log', sizeOf('learning'), 'is not what its history says'],
    ['an acceptor takes for its own what it has only heard of', sizeOf('learning'), 'beyond the end of the log'],
  ])('%s', (name, size, invariant) => {
    const mutant = MUTANTS.find((each) => each.name === name)!;
    const { broken } = checkModel({ size, mutant, statesMax: 200_000 });
    expect(broken?.invariant).toContain(invariant);
    expect(broken?.trace.length).toBeGreaterThan(2);
  });
});

test('a search that is too large ends unfinished, and says so', () => {
  expect(checkModel({ size: sizeOf('terms'), statesMax: 100 })).toMatchObject({ isComplete: false, broken: undefined });
});
