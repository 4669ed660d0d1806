/** Seeds whose runs showed a fault once, of the state machines or of the checkers; they are run for good. */
export const SEEDS: readonly number[] = [
  // Term 4 is won by a vote that arrives after term 5 has committed.
  102_971,
];
