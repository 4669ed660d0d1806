/** Seeds whose runs showed a fault once, of the state machines or of the checkers; they are run for good. */
export const SEEDS: readonly number[] = [
  // A member that was never made is needed for the quorum of a set that has lost another.
  39, 1_408, 1_492, 2_017,
  // A change leads to a set that has lost its quorum before it could take over.
  2_213,
  // Term 4 is won by a vote that arrives after term 5 has committed.
  102_971,
  // What a deleted timeline had confirmed is counted after its disk is gone.
  502_172,
  // A leader has not recovered when its donor, no member any more, removes what it has.
  5_156,
  // A driver goes on with a change that was given up, of which nobody knows but those that have removed what they had.
  6_295,
  // Those that have greeted a compute move on to a later membership while it waits for a quorum of the former one.
  8_940, 1_004_783, 1_013_306,
];
